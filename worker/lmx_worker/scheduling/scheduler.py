"""Everything between a checked `generate` or `canary` call and its last token, on the main thread."""

import sys
import traceback
from collections.abc import Callable
from time import monotonic
from typing import Any, assert_never

from lmx_worker.engine.engine_lost import EngineLost, check_engine
from lmx_worker.engine.interface import EncodedPrompt, Engine, LoadedModel, RowToken
from lmx_worker.failure import RequestFailure, fatal_cause, first_line
from lmx_worker.prompt.prompt_size import check_size
from lmx_worker.scheduling.canary import CanaryRun, canary_prompt
from lmx_worker.scheduling.completion import Completion
from lmx_worker.scheduling.input_processor import admit_prompt
from lmx_worker.scheduling.limits import check_sampling
from lmx_worker.scheduling.occupancy import Limits
from lmx_worker.scheduling.queue_limit import check_queue
from lmx_worker.scheduling.requests import RequestState, RequestTable
from lmx_worker.scheduling.row_places import RowPlaces
from lmx_worker.scheduling.schedule_policy import PrefillRate, prefill_chunk
from lmx_worker.scheduling.step_lines import step_lines
from lmx_worker.scheduling.tokenize_thread import Preparation, Prepared
from lmx_worker.status import Status
from lmx_worker.wire.commands import Canary, Generate

# A step that waits for a newcomer's prompt is longer by this part at most, and never by more than this.
PATIENCE_PER_STEP = 0.1
MAX_PATIENCE_SECONDS = 0.05

Send = Callable[[dict[str, Any]], None]


class Generations:
    """Rows of one loaded model. `deliver_prepared` is called from the preparation thread."""

    def __init__(
        self,
        engine: Engine,
        model: LoadedModel,
        limits: Limits,
        send: Send,
        status: Status,
        deliver_prepared: Callable[[Prepared], None],
    ) -> None:
        self._engine = engine
        self._model = model
        self._limits = limits
        self._send = send
        self._status = status
        self._table = RequestTable()
        self._preparation = Preparation(model.codec, deliver_prepared, self._table.is_open, self._announce)
        self._places = RowPlaces(engine, self._table, limits, self._refused_by_engine)
        self._rate = PrefillRate()
        self._step_seconds = 0.0  # of the newest step

    @property
    def busy(self) -> bool:
        """Whether the next step has something to do."""
        return any(request.is_prepared for request in self._table.all())

    @property
    def waiting(self) -> int:
        """Requests not yet in the engine."""
        return sum(request.row is None for request in self._table.all())

    @property
    def has_newcomer(self) -> bool:
        """Whether a prompt is being prepared for an owner that has no row and none waiting for one."""
        requests = self._table.all()
        present = {request.owner for request in requests if request.is_prepared}
        return any(request.owner not in present for request in requests)

    @property
    def patience_seconds(self) -> float:
        """How long a step may wait for a newcomer: hardly noticed by the rows that run."""
        return min(MAX_PATIENCE_SECONDS, self._step_seconds * PATIENCE_PER_STEP)

    def start(self, call_id: int | str, command: Generate | Canary) -> None:
        """Send the prompt to the preparation thread; the answer follows when it is back."""
        if isinstance(command, Generate) and self._table.find(command.request_id):
            raise RequestFailure(
                "invalid_request_error", f"Request {command.request_id!r:.100} is already running."
            )
        codec = self._model.codec
        prompt = command.prompt if isinstance(command, Generate) else canary_prompt(command, codec)
        if isinstance(command, Generate):
            check_sampling(command.sampling, self._model.facts)
        check_size(prompt, codec.longest_token_bytes, self._model.facts)
        request = self._table.open(call_id, command)
        self._count()
        self._preparation.submit(request.number, request.owner, prompt)

    def prepared(self, prepared: Prepared) -> None:
        """A prompt came back: check it against the model, answer, and let it wait for room."""
        self._status.prepared += 1
        request = self._table.get(prepared.request)
        if request is None:  # cancelled meanwhile, and answered then
            self._send_preparing(None)
            return
        try:
            if isinstance(prepared.outcome, RequestFailure):
                raise prepared.outcome
            self._queue(request, prepared.outcome)
        except RequestFailure as failure:
            self._refuse(request, failure)
        except Exception as error:  # one request must not cost the others their worker
            check_engine(error)
            message = f"Checking the prompt failed: {first_line(error)}"
            self._refuse(request, RequestFailure("internal_error", message, error_type=type(error).__name__))

    def cancel(self, request_id: str) -> bool:
        """End a generation before the next step; False when there is none of this name."""
        request = self._table.find(request_id)
        if request is None:
            return False
        if request.row is not None:
            self._engine.remove(request.row)
        elif request.waiting is None:
            failure = RequestFailure("request_cancelled", "The request was cancelled before it was queued.")
            self._answer(request, error=failure.as_error())
        self._close(request)
        return True

    def step(self) -> None:
        """Admit what fits, run one engine step, send one line for all rows.

        Raises:
            EngineLost: the device or allocator failed, or the engine did not come back after an exception.
        """
        self._places.fill()
        running = self._table.running()
        started = sum(request.started for request in running)
        chunk = prefill_chunk(
            self._rate.tokens_per_second, rows_in_prefill=len(running) - started, rows_decoding=started
        )
        began = monotonic()
        try:
            result = self._engine.step(chunk)
        except Exception as error:
            self._recover(error)
            return
        self._step_seconds = monotonic() - began
        self._rate.measured(result.prefilled_tokens, result.prefill_seconds)
        self._status.steps += 1
        self._status.generated_tokens += len(result.tokens)
        by_row = {request.row: request for request in running}
        rows = [
            row for token in result.tokens if (row := self._accept(by_row.get(token.row), token)) is not None
        ]
        self._send_rows(rows)

    def drop_all(self) -> None:
        """Forget every request without a word: the process is ending."""
        for request in self._table.all():
            self._table.close(request)
        self._count()

    def _announce(self, number: int) -> None:
        """Should the process end now, this request is why. Called from the preparation thread."""
        request = self._table.get(number)
        if request is not None and request.request_id is not None:
            self._send_preparing(request.request_id)

    def _send_preparing(self, request_id: str | None) -> None:
        self._send({"jsonrpc": "2.0", "method": "preparing", "params": {"request_id": request_id}})

    def _refuse(self, request: RequestState, failure: RequestFailure) -> None:
        self._close(request)
        self._answer(request, error=failure.as_error())

    def _queue(self, request: RequestState, prompt: EncodedPrompt) -> None:
        admitted = admit_prompt(request.call_id, request.command, prompt, self._model, self._limits.cache)
        final_length = len(prompt.token_ids) + admitted.row.max_tokens
        if isinstance(request.command, Generate):
            waiting = sum(other.owner == request.owner for other in self._table.waiting())
            check_queue(waiting, self._places.occupancy(), self._limits, final_length)
        if admitted.answer is not None:
            self._answer(request, result=admitted.answer)
        request.sink, request.waiting = admitted.sink, admitted.row
        request.length, request.final_length = len(prompt.token_ids), final_length

    def _refused_by_engine(self, request: RequestState, error: Exception) -> None:
        self._fail([request], "internal_error", f"The engine refused the prompt: {first_line(error)}")

    def _accept(self, request: RequestState | None, token: RowToken) -> dict[str, Any] | None:
        if request is None:
            return None
        request.started = True
        request.length += 1
        request.given.append(token.token_id)
        if token.finish is not None:
            self._close(request)
        try:
            return self._read(request, token)
        except Exception as error:  # one row's text must not cost the others their step
            traceback.print_exc(file=sys.stderr)
            self._leave(request)
            return self._last_row(
                request, "internal_error", f"Reading the model's output failed: {first_line(error)}"
            )

    def _read(self, request: RequestState, token: RowToken) -> dict[str, Any] | None:
        match request.sink:
            case Completion() as completion:
                row = completion.accept(token)
                if completion.finished and token.finish is None:  # by a stop text
                    self._leave(request)
                return row
            case CanaryRun() as canary:
                result = canary.accept(token)
                if result is not None:
                    self._answer(request, result=result)
                return None
            case None:
                raise AssertionError("a row without a reader")
            case _:
                assert_never(request.sink)

    def _recover(self, error: Exception) -> None:
        """After any exception the survivors of a batch may be wrong in silence: all rows end here."""
        message = f"The engine failed during a step: {first_line(error)}"
        self._fail(self._table.running(), "worker_crashed", message)
        check_engine(error)
        try:
            self._engine.rebuild()
        except Exception as second:
            traceback.print_exception(second, file=sys.stderr)
            raise EngineLost(fatal_cause(second) or "engine_bug", first_line(second)) from second

    def _fail(self, requests: list[RequestState], word: str, message: str) -> None:
        rows = [self._last_row(request, word, message) for request in requests]
        self._send_rows([row for row in rows if row is not None])

    def _last_row(self, request: RequestState, word: str, message: str) -> dict[str, Any] | None:
        """A completion ends with an error row; a canary is answered."""
        self._close(request)
        if isinstance(request.sink, Completion):
            return request.sink.fail(word, message)
        self._answer(request, error=RequestFailure("model_canary_failed", message).as_error())
        return None

    def _leave(self, request: RequestState) -> None:
        if request.row is not None:
            self._engine.remove(request.row)
        self._close(request)

    def _close(self, request: RequestState) -> None:
        self._table.close(request)
        self._count()

    def _count(self) -> None:
        self._status.in_flight = len(self._table)

    def _send_rows(self, rows: list[dict[str, Any]]) -> None:
        for line in step_lines(rows):
            params = {"step": self._status.steps, "rows": line}
            self._send({"jsonrpc": "2.0", "method": "step", "params": params})

    def _answer(self, request: RequestState, **body: Any) -> None:
        self._send({"jsonrpc": "2.0", "id": request.call_id, **body})
