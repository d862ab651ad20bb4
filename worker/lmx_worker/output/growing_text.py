"""Text that arrives piece by piece, searched for markers without looking at a character again and again."""


class GrowingText:
    """Grows at its end and is forgotten from its beginning. All places count from its very beginning."""

    def __init__(self) -> None:
        self._kept = ""
        self._start = 0
        # By marker: its last known place, and from where on it was not yet looked for.
        self._places: dict[str, int] = {}
        self._unsearched: dict[str, int] = {}

    @property
    def end(self) -> int:
        """One past its last character."""
        return self._start + len(self._kept)

    def append(self, text: str) -> None:
        """More of it."""
        # Python lengthens a string that only one local name refers to; a member it copies each time.
        kept, self._kept = self._kept, ""
        kept += text
        self._kept = kept

    def forget(self, place: int) -> None:
        """Nobody asks for what lies before this place any more."""
        if place > self._start:
            self._kept = self._kept[place - self._start :]
            self._start = place

    def part(self, start: int, end: int) -> str:
        """The characters between two places."""
        return self._kept[start - self._start : end - self._start]

    def find(self, marker: str, start: int) -> int:
        """The first place of a marker at or behind `start`, -1 when there is none yet.

        `start` must never be less than it was: what was found or not found before is remembered.
        """
        place = self._places.get(marker, -1)
        if place >= start:
            return place
        start = max(start, self._unsearched.get(marker, 0))
        found = self._kept.find(marker, start - self._start)
        if found < 0:
            self._unsearched[marker] = max(start, self.end - len(marker) + 1)
            return -1
        self._places[marker] = found + self._start
        return found + self._start

    def possible_start(self, marker: str, start: int) -> int:
        """How many characters at the end, none of them before `start`, may become this marker."""
        for size in range(min(len(marker) - 1, self.end - start), 0, -1):
            if self._kept.endswith(marker[:size]):
                return size
        return 0
