"""One running generation: tokens in, the row of a step line out."""

from dataclasses import dataclass
from typing import Any

from lmx_worker.detokenize import Detokenizer
from lmx_worker.engine import RowToken
from lmx_worker.text import TextMachine


@dataclass
class Completion:
    """State of a generation between steps.

    completion_tokens counts every accepted token, the end-of-answer token included, as mlx_lm.server does.
    """

    request_id: str
    prompt_tokens: int
    detokenizer: Detokenizer
    machine: TextMachine
    position: int = 0
    reasoning_tokens: int = 0

    def accept(self, token: RowToken) -> dict[str, Any]:
        """The row for this step; its last event is `finish` when the token ended the generation."""
        position = self.position
        self.position += 1
        self.reasoning_tokens += self.machine.reasoning
        # The end-of-answer token is counted and journalled, but it is not text.
        text = "" if token.finish == "stop" else self.detokenizer.add(token.token_id)
        events = self.machine.feed(text) if text else []
        if token.finish is not None:
            events += self._finish(token)
        return {
            "request_id": self.request_id,
            "position": position,
            "token_ids": [token.token_id],
            "events": events,
        }

    def fail(self, word: str, message: str) -> dict[str, Any]:
        """The row that ends this generation with an error."""
        event = {"type": "error", "code": word, "message": message}
        return {"request_id": self.request_id, "position": self.position, "token_ids": [], "events": [event]}

    def _finish(self, token: RowToken) -> list[dict[str, Any]]:
        rest = self.detokenizer.flush()
        events = self.machine.feed(rest) if rest else []
        events += self.machine.flush(complete=token.finish == "stop")
        reason = "tool_calls" if token.finish == "stop" and self.machine.calls else token.finish
        usage = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.position,
            "cached_tokens": 0,
            "reasoning_tokens": self.reasoning_tokens,
        }
        return [*events, {"type": "finish", "reason": reason, "usage": usage}]
