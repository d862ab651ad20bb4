"""The answer format of gpt-oss: messages with a header each, which says who reads them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lmx_worker.output.pieces import Part, Piece
from lmx_worker.output.text_reader import REASONING, TextReader
from lmx_worker.output.tool_calls import parse_tool_calls

START, CHANNEL, MESSAGE, END = TOKENS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>")
# They end the whole answer; where the engine knows them as such, they are not in its text.
FINAL_TOKENS = ("<|call|>", "<|return|>")
ENDS = (END, *FINAL_TOKENS)
# Models forget the end of a message now and then: a new header ends it as well.
BEGINNINGS = (START, CHANNEL)
OPENINGS = (*BEGINNINGS, "to=")
# So long a text is no header: an answer without any must not be held until its end.
HEADER_CHARACTERS = 256
ANALYSIS = re.compile(r"<\|channel\|>\s*analysis\b")
RECIPIENT = re.compile(r"to=([^\s<]+)\s*")
HEADER, CALL, TEXT = "header", "call", "text"


def shows_harmony(chat_template: Any) -> bool:
    """Whether a template writes earlier answers in this format."""
    return isinstance(chat_template, str) and CHANNEL in chat_template


class HarmonyMachine(TextReader):
    """As TextMachine, for such a model: text in, parts out. The prompt ends inside the first header.

    A message of the channel `analysis` is reasoning, one to a tool of the request a call, any other one text.
    Headers are structure and not shown, except for the recipient of what turned out to be no call.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(HEADER)
        self._tools = tools
        self._names = {tool["function"]["name"] for tool in tools}
        self._no_header_before = 0
        self._kind = TEXT  # of what looks like a header and is none
        self._recipient = Piece("text", "", 0)

    def flush(self, *, complete: bool) -> list[Part]:
        """Everything still held; `complete` when the model ended its answer by itself.

        A header cut in the middle is structure, and not shown.
        """
        parts: list[Part] = []
        rest = self._text.part(self._at, self._text.end)
        if self._state == CALL:
            self._end_call(parts, self._text.end, whole=complete)
        elif self._state != HEADER:
            self._show(parts, self._state, self._text.end)
        elif rest.strip() and "<|" not in rest:
            self._show(parts, self._kind, self._text.end)
        return parts

    def _step(self, parts: list[Part]) -> bool:
        return self._header(parts) if self._state == HEADER else self._message(parts)

    def _header(self, parts: list[Part]) -> bool:
        """Over a header, or into the text that is none; False while that is open."""
        place = self._text.find(MESSAGE, self._at)
        end = place if place >= 0 else self._text.end - self._text.possible_start(MESSAGE, self._at)
        header = self._text.part(self._at, min(end, self._at + HEADER_CHARACTERS))
        if end - self._at > HEADER_CHARACTERS or not _may_begin_header(header):
            self._state, self._no_header_before = self._kind, self._at + 1
            return True
        if place < 0:
            return False
        self._open(parts, header, place + len(MESSAGE))
        return True

    def _open(self, parts: list[Part], header: str, body: int) -> None:
        """The message behind this header, which ends before `body`."""
        self._state = REASONING if ANALYSIS.search(header) else TEXT
        recipient = RECIPIENT.search(header)
        if recipient is not None:
            self._recipient = Piece("text", recipient[0], self._at + recipient.start())
            self._state = CALL if self._name() in self._names else TEXT
            if self._state == TEXT:
                parts.append(self._recipient)
        self._at = body

    def _message(self, parts: list[Part]) -> bool:
        """Over the end of a message; False while it is open."""
        begin = max(self._at, self._no_header_before)
        starts = {marker: self._at for marker in ENDS} | dict.fromkeys(BEGINNINGS, begin)
        found = [(self._text.find(marker, start), marker) for marker, start in starts.items()]
        place, marker = min((hit for hit in found if hit[0] >= 0), default=(-1, ""))
        if place < 0:
            if self._state != CALL:
                held = max(self._text.possible_start(marker, start) for marker, start in starts.items())
                self._show(parts, self._state, self._text.end - held)
            return False
        self._kind = self._state if marker in BEGINNINGS and self._state != CALL else TEXT
        if self._state == CALL:
            self._end_call(parts, place, whole=True)
        else:
            self._show(parts, self._state, place)
        self._at = place + len(marker) * (marker in ENDS)
        self._state = HEADER
        return True

    def _end_call(self, parts: list[Part], end: int, *, whole: bool) -> None:
        """The call whose arguments end here, or the text that it is instead."""
        calls = None
        if whole:
            calls = parse_tool_calls(self._text.part(self._at, end), self._tools, self._parse)
        if calls is None:
            parts.append(self._recipient)
            self._show(parts, TEXT, end)
            return
        (call,) = calls
        self._add_call(parts, call, None)

    def _parse(self, text: str, _tools: Any) -> Any:
        """A tool without parameters may be called with an empty message."""
        return {"name": self._name(), "arguments": json.loads(text) if text.strip() else {}}

    def _name(self) -> str:
        return self._recipient.text.strip().removeprefix("to=").removeprefix("functions.")

    def _show(self, parts: list[Part], kind: str, end: int) -> None:
        if end > self._at:
            text = self._text.part(self._at, end)
            parts.append(Piece("reasoning" if kind == REASONING else "text", text, self._at))
            self._at = end


def _may_begin_header(text: str) -> bool:
    text = text.lstrip()
    return any(opening.startswith(text[: len(opening)]) for opening in OPENINGS)
