"""All requests in flight: being prepared, waiting for room, or running as a row of the engine."""

import itertools
import time
from dataclasses import dataclass, field

from lmx_worker.engine.interface import RowRequest
from lmx_worker.scheduling.canary import CanaryRun
from lmx_worker.scheduling.completion import Completion
from lmx_worker.wire.commands import Canary, Generate


@dataclass
class RequestState:
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
    def is_prepared(self) -> bool:
        """Whether it waits for a row or has one."""
        return self.row is not None or self.waiting is not None

    @property
    def owner(self) -> str:
        """Whose it is; a canary is nobody's."""
        return self.command.owner if isinstance(self.command, Generate) else ""


class RequestTable:
    """Index of requests by number and request id. Order of arrival is kept."""

    def __init__(self) -> None:
        self._requests: dict[int, RequestState] = {}
        self._by_id: dict[str, RequestState] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._requests)

    def open(self, call_id: int | str, command: Generate | Canary) -> RequestState:
        """A new request."""
        request = RequestState(next(self._numbers), call_id, command)
        self._requests[request.number] = request
        if request.request_id is not None:
            self._by_id[request.request_id] = request
        return request

    def close(self, request: RequestState) -> None:
        """Forget a request; doing it twice is fine."""
        self._requests.pop(request.number, None)
        if request.request_id is not None and self._by_id.get(request.request_id) is request:
            del self._by_id[request.request_id]

    def get(self, number: int) -> RequestState | None:
        """The request of this number if it is still open."""
        return self._requests.get(number)

    def is_open(self, number: int) -> bool:
        """Whether this request is still wanted; from any thread."""
        return number in self._requests

    def find(self, request_id: str) -> RequestState | None:
        """The open request of this name; of two with the same one, the newer."""
        return self._by_id.get(request_id)

    def all(self) -> list[RequestState]:
        """Every open request."""
        return list(self._requests.values())

    def waiting(self) -> list[RequestState]:
        """Prepared, and not in the engine."""
        return [request for request in self._requests.values() if request.waiting is not None]

    def running(self) -> list[RequestState]:
        """Rows of the engine."""
        return [request for request in self._requests.values() if request.row is not None]
