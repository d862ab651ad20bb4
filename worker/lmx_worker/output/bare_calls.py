"""Tool calls without a marker: an answer that is one JSON object and nothing else, as Llama 3 writes them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lmx_worker.output.pieces import Part, ToolCall
from lmx_worker.output.text import TextFormat, TextMachine
from lmx_worker.output.tool_calls import call_id_unlike, parse_tool_calls

# Its tokenizer has a tag for calls of tools that are built in, and some models write it before every call.
TAG = "<|python_tag|>"
# How a call begins, without blanks; other JSON is shown as it comes.
OPENINGS = ('{"name":"', '{"type":"function"')
MEMBERS = {"type", "name", "parameters", "arguments"}


def shows_bare_calls(chat_template: Any) -> bool:
    """Whether a template tells the model to write its calls so."""
    return (
        isinstance(chat_template, str) and '{"name": ' in chat_template and '"parameters": ' in chat_template
    )


class BareCallMachine:
    """As TextMachine, for such a model: text in, parts out, not a character lost.

    What begins as a call is held until the answer ends; whatever else it turns out to be is text.
    """

    reasoning = False

    def __init__(
        self, text_format: TextFormat, initial_state: str, tools: Sequence[Mapping[str, Any]]
    ) -> None:
        self._tools = tools
        self._text = TextMachine(text_format, initial_state, ())
        self._held: list[str] | None = []  # None once the answer is text
        self._beginning = ""  # without blanks
        self._begun = False  # it is that of a call

    def feed(self, text: str) -> list[Part]:
        """Parts that became certain with this text."""
        if self._held is None:
            return self._text.feed(text)
        self._held.append(text)
        if not self._begun:
            self._beginning += "".join(text.split())
            beginning = self._beginning.removeprefix(TAG)
            self._begun = beginning.startswith(OPENINGS)
            if not self._begun and not any(start.startswith(beginning) for start in (TAG, *OPENINGS)):
                return self._release()
        return []

    def flush(self, *, complete: bool) -> list[Part]:
        """Everything still held; `complete` when the model ended its answer by itself."""
        calls = None
        if complete and self._held:
            calls = parse_tool_calls("".join(self._held), self._tools, _parse)
        if calls is None:
            return self._release() + self._text.flush(complete=complete)
        self._held = None
        (call,) = calls
        return [ToolCall(0, call_id_unlike("", (), None), call["name"], call["arguments"])]

    def _release(self) -> list[Part]:
        text = "".join(self._held or ())
        self._held = None
        return self._text.feed(text)


def _parse(text: str, _tools: Any) -> Any:
    """The one call; its template refuses an answer with several when it comes back."""
    call = json.loads(text.strip().removeprefix(TAG))
    given = [call[name] for name in ("parameters", "arguments") if name in call]
    if not set(call) <= MEMBERS or len(given) != 1 or not isinstance(given[0], dict):
        raise ValueError("JSON, but not a call")
    return {"name": call["name"], "arguments": given[0]}
