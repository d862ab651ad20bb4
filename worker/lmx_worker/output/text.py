"""What a completion's text means: answer, reasoning or tool call, told apart by the model's markers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmx_worker.output.growing_text import GrowingText
from lmx_worker.output.pieces import Part, Piece
from lmx_worker.output.text_reader import REASONING, TextReader
from lmx_worker.output.tool_calls import CallParser, parse_tool_calls

NORMAL, TOOL = "normal", "tool"
# A model in a loop may open calls without end, each of which is tried up to the same end: after so many
# characters in vain, a failure counting as some more, its markers are text.
MAX_FAILED_CHARACTERS = 4_000_000
FAILURE_CHARACTERS = 1000


@dataclass(frozen=True)
class Marker:
    """A text that ends one state and begins another; the marker itself is not shown."""

    text: str
    to: str


@dataclass(frozen=True)
class TextFormat:
    """How a model writes: markers by state, and how its tool calls are read.

    Without a marker out of TOOL a call runs to the end of the answer. `bare_calls`: an answer may be a call
    without any marker. `harmony`: it is made of messages with headers, which are not markers of one text.
    """

    transitions: Mapping[str, tuple[Marker, ...]] = field(default_factory=dict)
    parse_call: CallParser | None = None
    call_id_length: int | None = None
    bare_calls: bool = False
    harmony: bool = False

    def without_tools(self) -> "TextFormat":
        """The format for a request without tools: what looks like a call is just text."""
        kept = {
            state: tuple(marker for marker in markers if marker.to != TOOL)
            for state, markers in self.transitions.items()
            if state != TOOL
        }
        return TextFormat(kept)


class TextMachine(TextReader):
    """Text of one completion in, its parts out.

    Holds back the longest end that could still become a marker, and a tool call until its end. A call that
    parses is emitted whole; otherwise its opening marker is text and what follows is read again as if the
    marker had not been there. Every character is part of exactly one piece, one call or one marker.
    """

    def __init__(
        self, text_format: TextFormat, initial_state: str, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__(initial_state)
        self._format = text_format if tools else text_format.without_tools()
        self._tools = tools
        self._unshown = 0  # from here to there it is text of one kind, still to be shown
        self._opening = ""
        self._opened_in = NORMAL
        self._failed = 0  # what parsers were given in vain, in characters
        self._blanks: list[Piece] = []
        self._headers: list[Piece] | None = []  # None once anything was shown

    def flush(self, *, complete: bool) -> list[Part]:
        """Everything still held; `complete` when the model ended its answer by itself."""
        parts: list[Part] = []
        while self._at < self._text.end:
            if self._state == TOOL:
                self._end_open_call(parts, complete=complete)
            elif not self._plain(parts):
                self._at = self._text.end
        self._show(parts)
        if self._headers:  # nothing but headers came: then they were the answer
            parts += self._headers
        self._headers = None
        self._blanks = []
        return parts

    def _step(self, parts: list[Part]) -> bool:
        if self._call(parts) if self._state == TOOL else self._plain(parts):
            return True
        self._show(parts)
        return False

    def _plain(self, parts: list[Part]) -> bool:
        """Text up to the next marker and over it; False when there is none yet."""
        markers = self._format.transitions.get(self._state, ())
        found = _first_marker(self._text, markers, self._at)
        if found is None:
            self._at = self._text.end - _possible_start(self._text, markers, self._at)
            return False
        self._at, marker = found
        if marker.to == TOOL:
            self._opening, self._opened_in = marker.text, self._state
        # What may be no call is shown with the text around it: a model can open calls without end.
        if marker.to != TOOL or self._state not in (NORMAL, REASONING):
            self._show(parts)
        if self._headers:
            self._headers = []  # a real header, now complete
        if marker.to != TOOL:
            self._skip(self._at + len(marker.text))
        self._state = marker.to
        return True

    def _call(self, parts: list[Part]) -> bool:
        """A call whose end has come; False while it is open."""
        ends = self._format.transitions.get(TOOL, ())
        # The end of the reasoning inside a call means that the model only wrote about calls.
        broken_by = _leaving(self._format, REASONING) if self._opened_in == REASONING else ()
        found = _first_marker(self._text, (*ends, *broken_by), self._at + len(self._opening))
        if found is None:
            return False
        place, marker = found
        if marker in ends and self._emit(parts, place):
            self._skip(place + len(marker.text))
            self._state = marker.to
        else:
            self._reopen()
        return True

    def _end_open_call(self, parts: list[Part], *, complete: bool) -> None:
        """At the end of the output only a call of a format without end markers can be whole."""
        runs_to_the_end = complete and not self._format.transitions.get(TOOL)
        if runs_to_the_end and self._emit(parts, self._text.end):
            self._skip(self._text.end)
        else:
            self._reopen()

    def _emit(self, parts: list[Part], end: int) -> bool:
        """The calls between the opening marker and this place, if that is what it is."""
        if self._failed > MAX_FAILED_CHARACTERS:
            return False
        text = self._text.part(self._at + len(self._opening), end)
        calls = parse_tool_calls(text, self._tools, self._format.parse_call)
        if calls is None:
            self._failed += len(text) + FAILURE_CHARACTERS
            return False
        self._show(parts)
        for call in calls:
            self._add_call(parts, call, self._format.call_id_length)
        self._blanks, self._headers = [], None
        return True

    def _reopen(self) -> None:
        """No call: its opening marker is text, and reading goes on behind it."""
        self._state = self._opened_in if self._opened_in == REASONING else NORMAL
        self._at += len(self._opening)

    def _show(self, parts: list[Part]) -> None:
        """What was read since the last time, unless it turns out to be structure."""
        if self._unshown == self._at:
            return
        state = self._opened_in if self._state == TOOL else self._state
        kind = "reasoning" if state == REASONING else "text"
        piece = Piece(kind, self._text.part(self._unshown, self._at), self._unshown)
        self._unshown = self._at
        if state not in (NORMAL, REASONING):
            if self._headers is not None:
                self._headers.append(piece)  # between messages: structure, not text
            return
        # Blank lines after a call belong to the format: shown only when an answer follows.
        if kind == "text" and self._call_ids and not piece.text.strip():
            self._blanks.append(piece)
            return
        parts += (*self._blanks, piece) if kind == "text" else (piece,)
        self._blanks, self._headers = [], None

    def _skip(self, place: int) -> None:
        """What lies before this place, and was not shown, is not text."""
        self._at = self._unshown = place


def _leaving(text_format: TextFormat, state: str) -> tuple[Marker, ...]:
    return tuple(marker for marker in text_format.transitions.get(state, ()) if marker.to != TOOL)


def _first_marker(text: GrowingText, markers: Iterable[Marker], start: int) -> tuple[int, Marker] | None:
    """The first one at or behind `start`, of several at one place the longest."""
    hits = [
        (place, -len(marker.text), marker)
        for marker in markers
        if marker.text and (place := text.find(marker.text, start)) >= 0
    ]
    if not hits:
        return None
    place, _, marker = min(hits, key=lambda hit: hit[:2])
    return place, marker


def _possible_start(text: GrowingText, markers: Iterable[Marker], start: int) -> int:
    """Length of the longest end of the text that may become a marker."""
    return max((text.possible_start(marker.text, start) for marker in markers), default=0)
