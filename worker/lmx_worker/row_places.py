"""The places of the engine's batch: who gets one, and who gives one up for a while."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace

from lmx_worker.board import Board, Ticket
from lmx_worker.engine import Engine
from lmx_worker.engine_lost import check_engine
from lmx_worker.occupancy import Limits, Occupancy, RunningRow, WaitingRow
from lmx_worker.pacing import choose_next, rows_to_interrupt


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
        self._turns: dict[str, int] = {}

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
            occupancy = self.occupancy()
            chosen = choose_next(rows, occupancy, self._limits, now, self._turns)
            if chosen is not None:
                self._admit(waiting[chosen])
                continue
            interrupted = rows_to_interrupt(rows, occupancy, self._limits, now, self._turns)
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

    def _admit(self, ticket: Ticket) -> None:
        row, ticket.waiting = ticket.waiting, None
        assert row is not None
        owners = {open_ticket.owner for open_ticket in self._board.all()}
        self._turns = {owner: turn for owner, turn in self._turns.items() if owner in owners}
        self._turns[ticket.owner] = next(self._admissions)
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
