"""What a completion's text turned out to be, in order, before it becomes events of the protocol."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Piece:
    """Text of the answer or of the reasoning. `start` is its place in the model's output, in characters."""

    kind: Literal["text", "reasoning"]
    text: str
    start: int

    @property
    def end(self) -> int:
        """One past its last character."""
        return self.start + len(self.text)

    def head(self, count: int) -> "Piece":
        """The first `count` characters."""
        return Piece(self.kind, self.text[:count], self.start)

    def tail(self, count: int) -> "Piece":
        """All but the first `count` characters."""
        return Piece(self.kind, self.text[count:], self.start + count)


@dataclass(frozen=True)
class ToolCall:
    """One whole call; `arguments` is JSON text."""

    index: int
    id: str
    name: str
    arguments: str


Part = Piece | ToolCall
