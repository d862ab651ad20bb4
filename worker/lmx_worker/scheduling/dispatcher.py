"""The tick loop on the main thread: drain commands, then one engine step. Single writer of all state."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from lmx_worker.engine.cache_budget import CacheBudget
from lmx_worker.engine.engine_lost import EngineLost, check_engine
from lmx_worker.engine.interface import Engine, LoadProgress
from lmx_worker.failure import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    RequestFailure,
    StopRequested,
    first_line,
    shortened,
)
from lmx_worker.scheduling.occupancy import Limits
from lmx_worker.scheduling.scheduler import Generations, Send
from lmx_worker.scheduling.tokenize_thread import Prepared
from lmx_worker.status import Status
from lmx_worker.wire.commands import Canary, Cancel, Generate, Initialize, Inspect, Load, Shutdown, Stats
from lmx_worker.wire.protocol import PROTOCOL_VERSION, Call

FATAL_EXIT_CODE = 70
PROGRESS_SECONDS = 0.25


@dataclass(frozen=True)
class StopSignal:
    """SIGTERM arrived: end in order, there is nobody to answer."""


Inbox = SimpleQueue[Call | Prepared | StopSignal]


class Stop(Exception):
    """Leave the loop with this exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Scheduler:
    """Runs one conversation. `on_initialized` is called once the supervisor got its first answer."""

    def __init__(
        self, engine: Engine, send: Send, inbox: Inbox, status: Status, on_initialized: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._send = send
        self._inbox = inbox
        self._status = status
        self._on_initialized = on_initialized
        self._initialized = False
        self._inspected = False
        self._generations: Generations | None = None

    def run(self) -> int:
        """Loop until told to stop; returns the exit code."""
        try:
            while True:
                self.tick()
        except Stop as stop:
            return stop.exit_code
        except EngineLost as lost:
            self._send(_notification("fatal", {"cause": lost.cause, "message": shortened(str(lost))}))
            return FATAL_EXIT_CODE

    def tick(self) -> None:
        """Every command that has arrived, then one step; waits only when there is nothing to compute."""
        busy = self._generations is not None and self._generations.busy
        if not busy:
            self._handle(self._inbox.get())
        while not self._inbox.empty():
            self._handle(self._inbox.get())
        self._wait_for_newcomer()
        if self._generations is not None and self._generations.busy:
            self._generations.step()

    def _wait_for_newcomer(self) -> None:
        """A prompt that is ready in a moment joins this step; else it waits for a whole step of others."""
        generations = self._generations
        if generations is None or not generations.busy:
            return
        deadline = monotonic() + generations.patience_seconds
        while generations.has_newcomer and (left := deadline - monotonic()) > 0:
            try:
                self._handle(self._inbox.get(timeout=left))
            except Empty:
                return

    def _handle(self, item: Call | Prepared | StopSignal) -> None:
        match item:
            case Prepared():
                if self._generations is not None:
                    self._generations.prepared(item)
            case StopSignal():
                self._release()
                raise Stop(0)
            case Call():
                self._answer(item)

    def _answer(self, call: Call) -> None:
        try:
            result = self._perform(call)
        except RequestFailure as failure:
            self._send({"jsonrpc": "2.0", "id": call.id, "error": failure.as_error()})
        except StopRequested:
            # The stop itself is next in the inbox.
            failure = RequestFailure("request_cancelled", "The load was ended because the worker is to stop.")
            self._send({"jsonrpc": "2.0", "id": call.id, "error": failure.as_error()})
        except (Stop, EngineLost):
            raise
        except Exception as error:
            check_engine(error)
            failure = RequestFailure("internal_error", first_line(error), number=INTERNAL_ERROR)
            self._send({"jsonrpc": "2.0", "id": call.id, "error": failure.as_error()})
        else:
            if result is not None:
                self._send({"jsonrpc": "2.0", "id": call.id, "result": result})

    def _perform(self, call: Call) -> dict[str, Any] | None:
        """The result, or None when the answer comes later."""
        command = call.command
        if not self._initialized and not isinstance(command, Initialize | Shutdown):
            raise RequestFailure("invalid_request_error", "initialize comes first.", number=INVALID_REQUEST)
        match command:
            case Initialize():
                return self._initialize()
            case Inspect():
                return self._inspect(command)
            case Load():
                return self._load(command)
            case Canary() | Generate():
                self._loaded().start(call.id, command)
                return None
            case Cancel(request_id):
                return {"cancelled": self._generations is not None and self._generations.cancel(request_id)}
            case Stats():
                return self._stats()
            case Shutdown():
                self._release()
                self._send({"jsonrpc": "2.0", "id": call.id, "result": {}})
                raise Stop(0)
            case _:
                raise AssertionError(f"{command} is answered by the reader")

    def _initialize(self) -> dict[str, Any]:
        if self._initialized:
            raise RequestFailure(
                "invalid_request_error", "initialize comes only once.", number=INVALID_REQUEST
            )
        facts = self._engine.initialize()
        self._initialized = True
        self._on_initialized()
        return {
            "protocol_version": PROTOCOL_VERSION,
            "pid": os.getpid(),
            "versions": dict(facts.versions),
            "device": facts.device,
        }

    def _inspect(self, command: Inspect) -> dict[str, Any]:
        self._check_unused()
        self._inspected = True
        started = monotonic()
        inspection = self._engine.inspect(command)
        return {**asdict(inspection), "seconds": round(monotonic() - started, 6)}

    def _load(self, command: Load) -> dict[str, Any]:
        self._check_unused()
        started = monotonic()
        model = self._engine.load(command, Progress(self._send, self._status))
        budget = command.cache_budget_bytes
        limits = Limits(
            max_rows=model.max_rows,
            cache=None if budget is None else CacheBudget(model.facts.caches, budget),
        )
        self._generations = Generations(
            self._engine, model, limits, self._send, self._status, deliver_prepared=self._inbox.put
        )
        memory = self._engine.memory()
        return {
            **asdict(model.facts),
            **({"max_rows": model.max_rows} if model.max_rows < command.max_concurrency else {}),
            "memory_bytes": memory.active,
            "peak_memory_bytes": memory.peak,
            "load_seconds": round(monotonic() - started, 6),
        }

    def _check_unused(self) -> None:
        """One process inspects one model or serves one."""
        if self._generations is not None:
            raise RequestFailure(
                "invalid_request_error", "A model is loaded already; one process serves one model.",
                number=INVALID_REQUEST,
            )  # fmt: skip
        if self._inspected:
            # Its limits stay: an allocation of the engine that fails would end it.
            raise RequestFailure(
                "invalid_request_error", "A worker that inspected is thrown away; start another one.",
                number=INVALID_REQUEST,
            )  # fmt: skip

    def _stats(self) -> dict[str, Any]:
        memory = self._engine.memory()
        return {
            **self._status.ping(),
            "waiting": self._generations.waiting if self._generations is not None else 0,
            "generated_tokens": self._status.generated_tokens,
            "memory_bytes": memory.active,
            "peak_memory_bytes": memory.peak,
            "cache_memory_bytes": memory.cached,
        }

    def _loaded(self) -> Generations:
        if self._generations is None:
            raise RequestFailure("model_not_ready", "No model is loaded; send load first.")
        return self._generations

    def _release(self) -> None:
        if self._generations is not None:
            self._generations.drop_all()
        self._generations = None
        self._engine.close()


class Progress:
    """Sends load progress at most every PROGRESS_SECONDS, but every change of phase and every end of one."""

    def __init__(self, send: Send, status: Status) -> None:
        self._send = send
        self._status = status
        self._phase = ""
        self._sent_at = 0.0

    def __call__(self, progress: LoadProgress) -> None:
        """Report; ends the load when a stop was requested."""
        if self._status.stop_requested:
            raise StopRequested
        ended = progress.loaded_bytes == progress.total_bytes
        if progress.phase == self._phase and not ended and monotonic() - self._sent_at < PROGRESS_SECONDS:
            return
        self._phase, self._sent_at = progress.phase, monotonic()
        self._send(_notification("load_progress", asdict(progress)))


def _notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}
