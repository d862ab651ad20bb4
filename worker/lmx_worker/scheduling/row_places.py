"""The places of the engine's batch: who gets one, and who gives one up for a while."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from lmx_worker.engine.engine_lost import check_engine
from lmx_worker.engine.interface import Engine
from lmx_worker.scheduling.occupancy import Limits, Occupancy, RunningRow, Turns, WaitingRow
from lmx_worker.scheduling.requests import Board, Ticket
from lmx_worker.scheduling.schedule_policy import choose_next, rows_to_interrupt

# So long an owner whose requests come one by one finds its place: otherwise each of them would interrupt a
# row, and have all of its tokens computed again.
KEPT_SECONDS = 5.0


class RowPlaces:
    """Moves tickets between waiting and running. `on_refused` is told of a row the engine would not take."""

    def __init__(
        self, engine: Engine, board: Board, limits: Limits, on_refused: Callable[[Ticket, Exception], None]
    ) -> None:
        self._engine = engine
        self._board = board
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
        while waiting := self._board.waiting():
            rows = [
                WaitingRow(ticket.length, ticket.since, ticket.final_length, ticket.owner)
                for ticket in waiting
            ]
            occupancy, turns = self.occupancy(), self._turns(now)
            chosen = choose_next(rows, occupancy, self._limits, now, turns)
            if chosen is not None:
                self._admit(waiting[chosen])
                continue
            interrupted = rows_to_interrupt(rows, occupancy, self._limits, now, turns)
            if not interrupted:
                return
            running = self._board.running()
            for index in interrupted:
                self._interrupt(running[index])

    def occupancy(self) -> Occupancy:
        """The rows of the engine."""
        return Occupancy(
            [
                RunningRow(ticket.length, ticket.final_length, not ticket.started, ticket.owner)
                for ticket in self._board.running()
            ]
        )

    def _turns(self, now: float) -> Turns:
        """Owners that were here within KEPT_SECONDS are remembered, and no others."""
        tickets = self._board.all()
        self._seen_at |= {ticket.owner: now for ticket in tickets}
        self._seen_at = {owner: at for owner, at in self._seen_at.items() if now - at < KEPT_SECONDS}
        self._last_turns = {owner: turn for owner, turn in self._last_turns.items() if owner in self._seen_at}
        # Who has only prompts in preparation is about to come.
        here = {ticket.owner for ticket in tickets if ticket.row is not None or ticket.waiting is not None}
        is_one_away = len(self._seen_at) > len(here) and self._limits.max_rows > 1
        return Turns(self._last_turns, kept_places=1 if is_one_away else 0)

    def _admit(self, ticket: Ticket) -> None:
        row, ticket.waiting = ticket.waiting, None
        assert row is not None
        self._last_turns[ticket.owner] = next(self._admissions)
        try:
            ticket.row = self._engine.insert(row)
        except Exception as error:  # a refused row takes no other one with it
            check_engine(error)
            self._on_refused(ticket, error)
        else:
            ticket.inserted, ticket.given = row, []

    def _interrupt(self, ticket: Ticket) -> None:
        """Out of the batch and back to those that wait, with what it has as a longer prompt."""
        row = ticket.inserted
        assert row is not None and ticket.row is not None
        self._engine.remove(ticket.row)
        ticket.row, ticket.started = None, False
        ticket.waiting = replace(
            row, token_ids=[*row.token_ids, *ticket.given], max_tokens=row.max_tokens - len(ticket.given)
        )
