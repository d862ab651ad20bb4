"""What a completion's text means: answer, reasoning or tool call, told apart by the model's markers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmx_worker.pieces import Part, Piece, ToolCall
from lmx_worker.tool_calls import CallParser, call_id_unlike, parse_tool_calls

NORMAL, REASONING, TOOL = "normal", "reasoning", "tool"


@dataclass(frozen=True)
class Marker:
    """A text that ends one state and begins another; the marker itself is not shown."""

    text: str
    to: str


@dataclass(frozen=True)
class TextFormat:
    """How a model writes: markers by state, and how its tool calls are read.

    Without a marker out of TOOL a call runs to the end of the answer. `bare_calls`: an answer may be a call
    without any marker.
    """

    transitions: Mapping[str, tuple[Marker, ...]] = field(default_factory=dict)
    parse_call: CallParser | None = None
    call_id_length: int | None = None
    bare_calls: bool = False

    def without_tools(self) -> "TextFormat":
        """The format for a request without tools: what looks like a call is just text."""
        kept = {
            state: tuple(marker for marker in markers if marker.to != TOOL)
            for state, markers in self.transitions.items()
            if state != TOOL
        }
        return TextFormat(kept)


class TextMachine:
    """Text of one completion in, its parts out.

    Holds back the longest end that could still become a marker, and a tool call until its end. A call that
    parses is emitted whole; otherwise its opening marker is text and what follows is read again as if the
    marker had not been there. Every character is part of exactly one piece, one call or one marker.
    """

    def __init__(
        self, text_format: TextFormat, initial_state: str, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        self._format = text_format if tools else text_format.without_tools()
        self._tools = tools
        self._state = initial_state
        self._buffer = ""
        self._at = 0  # where the buffer stands in the output
        self._searched = 0  # how much of an open call holds no end of it
        self._opening = ""
        self._opened_in = NORMAL
        self._blanks: list[Piece] = []
        self._headers: list[Piece] | None = []  # None once anything was shown
        self._call_ids: set[str] = set()

    @property
    def reasoning(self) -> bool:
        """Whether the next token belongs to the model's reasoning."""
        return self._state == REASONING

    def feed(self, text: str) -> list[Part]:
        """Parts that became certain with this text."""
        self._buffer += text
        parts: list[Part] = []
        while self._call(parts) if self._state == TOOL else self._plain(parts):
            pass
        return parts

    def flush(self, *, complete: bool) -> list[Part]:
        """Everything still held; `complete` when the model ended its answer by itself."""
        parts: list[Part] = []
        while self._buffer:
            if self._state == TOOL:
                self._end_open_call(parts, complete=complete)
            elif not self._plain(parts):
                self._take(parts, len(self._buffer))
        if self._headers:  # nothing but headers came: then they were the answer
            parts += self._headers
        self._headers = None
        self._blanks = []
        return parts

    def _plain(self, parts: list[Part]) -> bool:
        """Text up to the next marker and over it; False when there is none yet."""
        markers = self._format.transitions.get(self._state, ())
        found = _first_marker(self._buffer, markers)
        if found is None:
            self._take(parts, len(self._buffer) - _possible_start(self._buffer, markers))
            return False
        at, marker = found
        self._take(parts, at)
        if self._headers:
            self._headers = []  # a real header, now complete
        if marker.to == TOOL:
            self._opening, self._opened_in = marker.text, self._state
            self._searched = len(marker.text)
        else:
            self._drop(len(marker.text))
        self._state = marker.to
        return True

    def _call(self, parts: list[Part]) -> bool:
        """A call whose end has come; False while it is open."""
        ends = self._format.transitions.get(TOOL, ())
        # The end of the reasoning inside a call means that the model only wrote about calls.
        broken_by = _leaving(self._format, REASONING) if self._opened_in == REASONING else ()
        found = _first_marker(self._buffer, (*ends, *broken_by), self._searched)
        if found is None:
            longest = max((len(marker.text) for marker in (*ends, *broken_by)), default=0)
            self._searched = max(self._searched, len(self._buffer) - longest + 1)
            return False
        at, marker = found
        if marker in ends and self._emit(parts, self._buffer[len(self._opening) : at]):
            self._drop(at + len(marker.text))
            self._state = marker.to
        else:
            self._reopen(parts)
        return True

    def _end_open_call(self, parts: list[Part], *, complete: bool) -> None:
        """At the end of the output only a call of a format without end markers can be whole."""
        runs_to_the_end = complete and not self._format.transitions.get(TOOL)
        if runs_to_the_end and self._emit(parts, self._buffer[len(self._opening) :]):
            self._drop(len(self._buffer))
        else:
            self._reopen(parts)

    def _emit(self, parts: list[Part], text: str) -> bool:
        calls = parse_tool_calls(text, self._tools, self._format.parse_call)
        for call in calls or ():
            call_id = call_id_unlike(call["id"], self._call_ids, self._format.call_id_length)
            parts.append(ToolCall(len(self._call_ids), call_id, call["name"], call["arguments"]))
            self._call_ids.add(call_id)
        if calls:
            self._blanks, self._headers = [], None
        return bool(calls)

    def _reopen(self, parts: list[Part]) -> None:
        """No call: its opening marker is text, and reading goes on behind it."""
        self._state = self._opened_in if self._opened_in == REASONING else NORMAL
        self._take(parts, len(self._opening))

    def _take(self, parts: list[Part], count: int) -> None:
        if count <= 0:
            return
        kind = "reasoning" if self._state == REASONING else "text"
        piece = Piece(kind, self._buffer[:count], self._at)
        self._drop(count)
        if self._state not in (NORMAL, REASONING):
            if self._headers is not None:
                self._headers.append(piece)  # between messages: structure, not text
            return
        # Blank lines after a call belong to the format: shown only when an answer follows.
        if kind == "text" and self._call_ids and not piece.text.strip():
            self._blanks.append(piece)
            return
        parts += (*self._blanks, piece) if kind == "text" else (piece,)
        self._blanks, self._headers = [], None

    def _drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._at += count


def _leaving(text_format: TextFormat, state: str) -> tuple[Marker, ...]:
    return tuple(marker for marker in text_format.transitions.get(state, ()) if marker.to != TOOL)


def _first_marker(text: str, markers: Iterable[Marker], start: int = 0) -> tuple[int, Marker] | None:
    """The first one in the text, of several at one place the longest."""
    hits = [
        (at, -len(marker.text), marker)
        for marker in markers
        if marker.text and (at := text.find(marker.text, start)) >= 0
    ]
    if not hits:
        return None
    at, _, marker = min(hits, key=lambda hit: hit[:2])
    return at, marker


def _possible_start(text: str, markers: Iterable[Marker]) -> int:
    """Length of the longest end of the text that may become a marker."""
    longest = 0
    for marker in markers:
        for size in range(min(len(marker.text) - 1, len(text)), longest, -1):
            if text.endswith(marker.text[:size]):
                longest = size
                break
    return longest
