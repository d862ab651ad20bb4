"""The canary run: collects raw evidence that a model computes. The verdict is the supervisor's."""

import time
from dataclasses import dataclass, field
from typing import Any

from lmx_worker.engine.interface import RowToken, TextCodec
from lmx_worker.output.detokenize import REPLACEMENT, Detokenizer
from lmx_worker.wire.commands import Canary, MessagesPrompt, Prompt, TextPrompt

DEFAULT_MESSAGE = "canary"
DEFAULT_TEXT = "The"


def canary_prompt(command: Canary, codec: TextCodec) -> Prompt:
    """A user's message for a model with a chat template, plain text for one without."""
    if not codec.has_chat_template:
        return TextPrompt(command.prompt or DEFAULT_TEXT)
    return MessagesPrompt(({"role": "user", "content": command.prompt or DEFAULT_MESSAGE},), (), {})


@dataclass
class CanaryRun:
    """Evidence of one short greedy generation, gathered step by step beside all other rows."""

    call_id: int | str
    detokenizer: Detokenizer
    started: float = field(default_factory=time.monotonic)
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    non_finite_steps: int = 0
    constant_steps: int = 0

    def accept(self, token: RowToken) -> dict[str, Any] | None:
        """The `canary` result when this token was the last, else None."""
        self.token_ids.append(token.token_id)
        if token.logits is not None:
            self.non_finite_steps += not token.logits.finite
            self.constant_steps += token.logits.constant
        if token.finish != "stop":
            self.text += self.detokenizer.add(token.token_id)
        return None if token.finish is None else self._result(ended_by_itself=token.finish == "stop")

    def _result(self, *, ended_by_itself: bool) -> dict[str, Any]:
        # Cut by the limit, the last character may be incomplete: that is not the model's fault.
        text = self.text + (self.detokenizer.flush() if ended_by_itself else "")
        return {
            "token_ids": self.token_ids,
            "text": text,
            "decodes": REPLACEMENT not in text,
            "finished": ended_by_itself,
            "non_finite_steps": self.non_finite_steps,
            "constant_steps": self.constant_steps,
            "seconds": round(time.monotonic() - self.started, 6),
        }
