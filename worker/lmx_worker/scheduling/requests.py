"""All requests in flight: being prepared, waiting for room, or running as a row of the engine."""

import itertools
import time
from dataclasses import dataclass, field

from lmx_worker.engine.interface import RowRequest
from lmx_worker.scheduling.canary import CanaryRun
from lmx_worker.scheduling.completion import Completion
from lmx_worker.wire.commands import Canary, Generate


@dataclass
class Ticket:
    """One request. `waiting` is set once it is prepared, `row` once the engine has it."""

    number: int
    call_id: int | str
    command: Generate | Canary
    sink: Completion | CanaryRun | None = None
    waiting: RowRequest | None = None
    row: int | None = None
    inserted: RowRequest | None = None  # what the engine was given for `row`
    given: list[int] = field(default_factory=list)  # the tokens it has given for that
    length: int = 0  # tokens so far, prompt included
    final_length: int = 0  # tokens when the completion reaches its limit
    started: bool = False  # the row has given a token
    since: float = field(default_factory=time.monotonic)

    @property
    def request_id(self) -> str | None:
        """Name of a generation; a canary has none."""
        return self.command.request_id if isinstance(self.command, Generate) else None

    @property
    def owner(self) -> str:
        """Whose it is; a canary is nobody's."""
        return self.command.owner if isinstance(self.command, Generate) else ""


class Board:
    """Index of tickets by number, request id and row. Order of arrival is kept."""

    def __init__(self) -> None:
        self._tickets: dict[int, Ticket] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._tickets)

    def open(self, call_id: int | str, command: Generate | Canary) -> Ticket:
        """A new ticket."""
        ticket = Ticket(next(self._numbers), call_id, command)
        self._tickets[ticket.number] = ticket
        return ticket

    def close(self, ticket: Ticket) -> None:
        """Forget a ticket; doing it twice is fine."""
        self._tickets.pop(ticket.number, None)

    def get(self, number: int) -> Ticket | None:
        """The ticket of this number if it is still open."""
        return self._tickets.get(number)

    def is_open(self, number: int) -> bool:
        """Whether this ticket is still wanted; from any thread."""
        return number in self._tickets

    def find(self, request_id: str) -> Ticket | None:
        """The open ticket of this request."""
        return next((ticket for ticket in self._tickets.values() if ticket.request_id == request_id), None)

    def all(self) -> list[Ticket]:
        """Every open ticket."""
        return list(self._tickets.values())

    def waiting(self) -> list[Ticket]:
        """Prepared, and not in the engine."""
        return [ticket for ticket in self._tickets.values() if ticket.waiting is not None]

    def running(self) -> list[Ticket]:
        """Rows of the engine."""
        return [ticket for ticket in self._tickets.values() if ticket.row is not None]
