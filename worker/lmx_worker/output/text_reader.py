"""What readings of a completion's text have in common: it is decided from its beginning, and has calls."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from lmx_worker.output.growing_text import GrowingText
from lmx_worker.output.pieces import Part, ToolCall
from lmx_worker.output.tool_calls import call_id_unlike

REASONING = "reasoning"


class TextReader(ABC):
    """Text in, parts out; how one becomes the other is `_step`."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._text = GrowingText()
        self._at = 0  # everything before is decided
        self._call_ids: set[str] = set()

    @property
    def reasoning(self) -> bool:
        """Whether the next token belongs to the model's reasoning."""
        return self._state == REASONING

    def feed(self, text: str) -> list[Part]:
        """Parts that became certain with this text."""
        self._text.append(text)
        parts: list[Part] = []
        while self._step(parts):
            pass
        self._text.forget(self._at)
        return parts

    @abstractmethod
    def _step(self, parts: list[Part]) -> bool:
        """Over the next thing that is certain; False when there is none yet and all before was said."""

    def _add_call(self, parts: list[Part], call: Mapping[str, str], id_length: int | None) -> None:
        call_id = call_id_unlike(call["id"], self._call_ids, id_length)
        parts.append(ToolCall(len(self._call_ids), call_id, call["name"], call["arguments"]))
        self._call_ids.add(call_id)
