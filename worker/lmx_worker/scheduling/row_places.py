"""The places of the engine's batch: who gets one, and who gives one up for a while."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from lmx_worker.engine.engine_lost import check_engine
from lmx_worker.engine.interface import Engine
from lmx_worker.scheduling.occupancy import Limits, Occupancy, RunningRow, Turns, WaitingRow
from lmx_worker.scheduling.requests import RequestState, RequestTable
from lmx_worker.scheduling.schedule_policy import choose_next, rows_to_interrupt

# So long an owner whose requests come one by one finds its place: otherwise each of them would interrupt a
# row, and have all of its tokens computed again.
KEPT_SECONDS = 5.0


class RowPlaces:
    """Moves requests between waiting and running. `on_refused` is told of a row the engine would not take."""

    def __init__(
        self,
        engine: Engine,
        table: RequestTable,
        limits: Limits,
        on_refused: Callable[[RequestState, Exception], None],
    ) -> None:
        self._engine = engine
        self._table = table
        self._limits = limits
        self._on_refused = on_refused
        self._admissions = itertools.count(1)
        self._last_turns: dict[str, int] = {}
        self._seen_at: dict[str, float] = {}

    def fill(self) -> None:
        """Admit what fits, and interrupt rows of owners with several for one that has none.

        Raises:
            EngineLost: the device or allocator failed.
        """
        now = time.monotonic()
        while waiting := self._table.waiting():
            rows = [
                WaitingRow(request.length, request.since, request.final_length, request.owner)
                for request in waiting
            ]
            occupancy, turns = self.occupancy(), self._turns(now)
            chosen = choose_next(rows, occupancy, self._limits, now, turns)
            if chosen is not None:
                self._admit(waiting[chosen])
                continue
            interrupted = rows_to_interrupt(rows, occupancy, self._limits, now, turns)
            if not interrupted:
                return
            running = self._table.running()
            for index in interrupted:
                self._interrupt(running[index])

    def occupancy(self) -> Occupancy:
        """The rows of the engine."""
        return Occupancy(
            [
                RunningRow(request.length, request.final_length, not request.started, request.owner)
                for request in self._table.running()
            ]
        )

    def _turns(self, now: float) -> Turns:
        """Owners that were here within KEPT_SECONDS are remembered, and no others."""
        requests = self._table.all()
        self._seen_at |= {request.owner: now for request in requests}
        self._seen_at = {owner: at for owner, at in self._seen_at.items() if now - at < KEPT_SECONDS}
        self._last_turns = {owner: turn for owner, turn in self._last_turns.items() if owner in self._seen_at}
        # Who has only prompts in preparation is about to come.
        here = {request.owner for request in requests if request.is_prepared}
        is_one_away = len(self._seen_at) > len(here) and self._limits.max_rows > 1
        return Turns(self._last_turns, kept_places=1 if is_one_away else 0)

    def _admit(self, request: RequestState) -> None:
        row, request.waiting = request.waiting, None
        assert row is not None
        self._last_turns[request.owner] = next(self._admissions)
        try:
            request.row = self._engine.insert(row)
        except Exception as error:  # a refused row takes no other one with it
            check_engine(error)
            self._on_refused(request, error)
        else:
            request.inserted, request.given = row, []

    def _interrupt(self, request: RequestState) -> None:
        """Out of the batch and back to those that wait, with what it has as a longer prompt."""
        row = request.inserted
        assert row is not None and request.row is not None
        self._engine.remove(request.row)
        request.row, request.started = None, False
        request.waiting = replace(
            row, token_ids=[*row.token_ids, *request.given], max_tokens=row.max_tokens - len(request.given)
        )
