"""What a completion's text means: answer, reasoning or tool call, told apart by the model's markers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmx_worker.tool_calls import CallParser, parse_tool_calls

NORMAL, REASONING, TOOL = "normal", "reasoning", "tool"


@dataclass(frozen=True)
class Marker:
    """A text that ends one state and begins another; the marker itself is not shown."""

    text: str
    to: str


@dataclass(frozen=True)
class TextFormat:
    """How a model writes: markers by state, and how its tool calls are read.

    `tool_end` empty means a call runs to the end of the answer.
    """

    transitions: Mapping[str, tuple[Marker, ...]] = field(default_factory=dict)
    tool_start: str = ""
    tool_end: str = ""
    parse_call: CallParser | None = None

    def without_tools(self) -> "TextFormat":
        """The format for a request without tools: what looks like a call is just text."""
        kept = {
            state: tuple(marker for marker in markers if marker.to != TOOL)
            for state, markers in self.transitions.items()
            if state != TOOL
        }
        return TextFormat(kept)


class Splitter:
    """Cuts a stream at markers. Holds back the longest end that could still become a marker, nothing more."""

    def __init__(self, transitions: Mapping[str, tuple[Marker, ...]], state: str) -> None:
        self._transitions = transitions
        self.state = state
        self._held = ""

    def feed(self, text: str) -> list[tuple[str, str, Marker | None]]:
        """Segments (state, text, marker that ended it); the marker is None for the last, still open one."""
        segments: list[tuple[str, str, Marker | None]] = []
        rest = self._held + text
        while found := self._first_marker(rest):
            at, marker = found
            segments.append((self.state, rest[:at], marker))
            rest = rest[at + len(marker.text) :]
            self.state = marker.to
        keep = self._possible_start(rest)
        self._held = rest[len(rest) - keep :]
        segments.append((self.state, rest[: len(rest) - keep], None))
        return segments

    def flush(self) -> tuple[str, str]:
        """State and held text at the end of the stream."""
        held, self._held = self._held, ""
        return self.state, held

    def _first_marker(self, text: str) -> tuple[int, Marker] | None:
        hits = [
            (at, -len(marker.text), marker)
            for marker in self._transitions.get(self.state, ())
            if marker.text and (at := text.find(marker.text)) >= 0
        ]
        if not hits:
            return None
        at, _, marker = min(hits, key=lambda hit: hit[:2])
        return at, marker

    def _possible_start(self, text: str) -> int:
        longest = 0
        for marker in self._transitions.get(self.state, ()):
            for size in range(min(len(marker.text) - 1, len(text)), longest, -1):
                if text.endswith(marker.text[:size]):
                    longest = size
                    break
        return longest


class TextMachine:
    """Text of one completion in, events of the protocol out.

    A tool call is emitted whole, when its end has come and it parses; anything else stays text.
    """

    def __init__(
        self, text_format: TextFormat, initial_state: str, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        self._format = text_format if tools else text_format.without_tools()
        self._splitter = Splitter(self._format.transitions, initial_state)
        self._tools = tools
        self._call_text: list[str] = []
        self._call_from = NORMAL
        self._pending_space = ""
        self.calls = 0

    @property
    def reasoning(self) -> bool:
        """Whether the next token belongs to the model's reasoning."""
        return self._splitter.state == REASONING

    def feed(self, text: str) -> list[dict[str, Any]]:
        """Events that became certain with this text."""
        events: list[dict[str, Any]] = []
        for state, piece, marker in self._splitter.feed(text):
            self._take(events, state, piece)
            if marker is not None:
                self._cross(events, state, marker)
        return merge(events)

    def flush(self, *, complete: bool) -> list[dict[str, Any]]:
        """Everything still held; `complete` when the model ended its answer by itself."""
        events: list[dict[str, Any]] = []
        state, held = self._splitter.flush()
        self._take(events, state, held)
        if state == TOOL:
            # Without an end marker the end of the answer is the end of the call.
            self._end_call(events, ended=complete and not self._format.tool_end, end_text="")
        self._pending_space = ""
        return merge(events)

    def _take(self, events: list[dict[str, Any]], state: str, piece: str) -> None:
        if not piece:
            return
        match state:
            case "tool":
                self._call_text.append(piece)
            case "normal":
                self._say(events, piece)
            case "reasoning":
                events.append({"type": "reasoning", "text": piece})
            case _:
                pass  # headers between messages are structure, not text

    def _say(self, events: list[dict[str, Any]], piece: str) -> None:
        # Blank lines after a call belong to the format: shown only when an answer follows.
        if self.calls and not piece.strip():
            self._pending_space += piece
            return
        events.append({"type": "text", "text": self._pending_space + piece})
        self._pending_space = ""

    def _cross(self, events: list[dict[str, Any]], state: str, marker: Marker) -> None:
        if state == TOOL:
            self._end_call(events, ended=True, end_text=marker.text)
        elif marker.to == TOOL:
            self._call_text = []
            self._call_from = state

    def _end_call(self, events: list[dict[str, Any]], *, ended: bool, end_text: str) -> None:
        text = "".join(self._call_text)
        self._call_text = []
        calls = parse_tool_calls(text, self._tools, self._format.parse_call) if ended else None
        if calls is None:
            shown = NORMAL if self._call_from != REASONING else REASONING
            self._take(events, shown, self._format.tool_start + text + end_text)
            return
        self._pending_space = ""
        for call in calls:
            events.append({"type": "tool_call", "index": self.calls, **call})
            self.calls += 1


def merge(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring text events of one kind as one."""
    merged: list[dict[str, Any]] = []
    for event in events:
        if merged and event["type"] in ("text", "reasoning") and merged[-1]["type"] == event["type"]:
            merged[-1] = {"type": event["type"], "text": merged[-1]["text"] + event["text"]}
        else:
            merged.append(event)
    return merged
