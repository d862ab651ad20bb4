"""Stop texts of a request, found in the visible answer however it was tokenised."""

from collections.abc import Sequence

from lmx_worker.output.pieces import Part, Piece


class StopMatcher:
    """Passes parts through until a stop text is complete, without what may still become one.

    The stop that is complete first ends the answer, of several complete at one character the longest, so the
    result does not depend on how the text arrives. Only the text of the answer is searched: not the
    reasoning, not tool calls, and never across one of them.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._patterns = [Pattern(stop) for stop in stops]
        self._held: list[Piece] = []
        self.stopped = False

    def feed(self, parts: Sequence[Part]) -> list[Part]:
        """Parts that are certain. After a stop nothing comes any more."""
        if not self._patterns:
            return list(parts)
        certain: list[Part] = []
        for part in parts:
            if self.stopped:
                break
            if isinstance(part, Piece) and part.kind == "text":
                certain += self._search(part)
            else:
                certain += [*self.flush(), part]
        return certain

    def flush(self) -> list[Piece]:
        """What was held back."""
        held, self._held = self._held, []
        for pattern in self._patterns:
            pattern.matched = 0
        return held

    def _search(self, piece: Piece) -> list[Piece]:
        known = sum(len(held.text) for held in self._held)
        self._held.append(piece)
        for index, character in enumerate(piece.text):
            found = max(pattern.advance(character) for pattern in self._patterns)
            if found:
                self.stopped = True
                certain = self._release(known + index + 1 - found)
                self._held = []
                return certain
        uncertain = max(pattern.matched for pattern in self._patterns)
        return self._release(known + len(piece.text) - uncertain)

    def _release(self, count: int) -> list[Piece]:
        """The first `count` characters of what is held."""
        released: list[Piece] = []
        while count > 0:
            piece = self._held.pop(0)
            released.append(piece.head(count))
            if len(piece.text) > count:
                self._held.insert(0, piece.tail(count))
            count -= len(piece.text)
        return released


class Pattern:
    """One stop text, matched a character at a time; `matched` is how much of it the text ends with."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._borders = _borders(text)
        self.matched = 0

    def advance(self, character: str) -> int:
        """Length of the stop text when this character completes it, else 0."""
        while self.matched and self._text[self.matched] != character:
            self.matched = self._borders[self.matched - 1]
        if self._text[self.matched] == character:
            self.matched += 1
        if self.matched < len(self._text):
            return 0
        self.matched = 0
        return len(self._text)


def _borders(text: str) -> list[int]:
    """For every beginning of the text, the length of the longest beginning that is also its end."""
    borders = [0] * len(text)
    length = 0
    for index in range(1, len(text)):
        while length and text[index] != text[length]:
            length = borders[length - 1]
        if text[index] == text[length]:
            length += 1
        borders[index] = length
    return borders
