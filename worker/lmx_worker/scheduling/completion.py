"""One running generation: tokens in, the row of a step line out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmx_worker.engine.interface import RowToken
from lmx_worker.failure import shortened
from lmx_worker.output.bare_calls import BareCallMachine
from lmx_worker.output.detokenize import Detokenizer
from lmx_worker.output.harmony import HarmonyMachine
from lmx_worker.output.pieces import Part, ToolCall
from lmx_worker.output.stops import StopMatcher
from lmx_worker.output.text import TextMachine
from lmx_worker.output.token_ledger import TokenLedger

# The protocol's form of a token with its alternatives.
Describe = Callable[[RowToken], dict[str, Any]]
Machine = TextMachine | BareCallMachine | HarmonyMachine


@dataclass
class Completion:
    """State of a generation between steps. `describe` is there when the request wants log probabilities.

    completion_tokens counts every accepted token, the end-of-answer token included, as mlx_lm.server does.
    """

    request_id: str
    prompt_tokens: int
    detokenizer: Detokenizer
    machine: Machine
    stops: StopMatcher = field(default_factory=lambda: StopMatcher(()))
    describe: Describe | None = None
    position: int = 0
    reasoning_tokens: int = 0
    finished: bool = False
    _calls: int = 0
    _ledger: TokenLedger = field(default_factory=TokenLedger)

    def accept(self, token: RowToken) -> dict[str, Any]:
        """The row for this step; its last event is `finish` when the generation is `finished`, which a stop
        text may bring about before the engine ends the row."""
        position = self.position
        self.position += 1
        self.reasoning_tokens += self.machine.reasoning
        parts = self.stops.feed(self._read(token))
        if token.finish is not None and not self.stops.stopped:
            parts += self.stops.flush()
        self._calls += sum(isinstance(part, ToolCall) for part in parts)
        events = self._events(parts)
        if self.stops.stopped or token.finish is not None:
            self.finished = True
            events.append(self._finish(by_itself=self.stops.stopped or token.finish == "stop"))
        return {
            "request_id": self.request_id,
            "position": position,
            "token_ids": [token.token_id],
            "events": events,
        }

    def fail(self, word: str, message: str) -> dict[str, Any]:
        """The row that ends this generation with an error."""
        event = {"type": "error", "code": word, "message": shortened(message)}
        return {"request_id": self.request_id, "position": self.position, "token_ids": [], "events": [event]}

    def _read(self, token: RowToken) -> list[Part]:
        """Parts that are certain with this token. The end-of-answer token is counted, but it is not text."""
        parts: list[Part] = []
        if token.finish != "stop":
            text = self.detokenizer.add(token.token_id)
            if self.describe is not None:
                self._ledger.add(token, len(text))
            parts += self.machine.feed(text)
        if token.finish is not None:
            rest = self.detokenizer.flush()
            self._ledger.extend(len(rest))
            parts += self.machine.feed(rest)
            parts += self.machine.flush(complete=token.finish == "stop")
        return parts

    def _events(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, ToolCall):
                events.append({"type": "tool_call", **vars(part)})
                continue
            event: dict[str, Any] = {"type": part.kind, "text": part.text}
            if self.describe is not None and part.kind == "text":
                event["logprobs"] = [self.describe(token) for token in self._ledger.take(part)]
            elif self.describe is not None:
                self._ledger.skip(part)
            _append(events, event)
        return events

    def _finish(self, *, by_itself: bool) -> dict[str, Any]:
        usage = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.position,
            "cached_tokens": 0,
            "reasoning_tokens": self.reasoning_tokens,
        }
        reason = ("tool_calls" if self._calls else "stop") if by_itself else "length"
        return {"type": "finish", "reason": reason, "usage": usage}


def _append(events: list[dict[str, Any]], event: dict[str, Any]) -> None:
    """Neighbouring text events of one kind become one."""
    if not events or events[-1]["type"] != event["type"]:
        events.append(event)
        return
    events[-1]["text"] += event["text"]
    if "logprobs" in event:
        events[-1]["logprobs"] += event["logprobs"]
