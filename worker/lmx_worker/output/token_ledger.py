"""Which tokens a piece of text was made of, for log probabilities."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from lmx_worker.output.pieces import Piece


@dataclass
class TokenLedger:
    """Every token stands where its characters stand in the model's output.

    A token without a character of its own (the first bytes of one) stands with the token that completes it.
    Each one is handed out once, with the first piece that shows one of its characters; tokens of markers,
    tool calls and stop texts are shown by none.
    """

    _length: int = 0
    _waiting: list[Any] = field(default_factory=list)
    _placed: deque[tuple[int, int, Any]] = field(default_factory=deque)

    def add(self, entry: Any, characters: int) -> None:
        """A token, and how many characters became certain with it."""
        self._waiting.append(entry)
        self.extend(characters)

    def extend(self, characters: int) -> None:
        """Characters that became certain without a new token."""
        if characters:
            start, self._length = self._length, self._length + characters
            self._placed.extend((start, self._length, entry) for entry in self._waiting)
            self._waiting = []

    def skip(self, piece: Piece) -> None:
        """Forget tokens that lie wholly before the end of a piece which shows none."""
        while self._placed and self._placed[0][1] <= piece.end:
            self._placed.popleft()

    def take(self, piece: Piece) -> list[Any]:
        """Tokens of a piece; pieces must be asked for in order."""
        taken = []
        while self._placed and self._placed[0][0] < piece.end:
            _, end, entry = self._placed.popleft()
            if end > piece.start:
                taken.append(entry)
        return taken
