"""Whatever a model writes, every character is in exactly one part, and how it arrives does not matter."""

import random
import time
from typing import Any

import pytest

from lmx_worker.output.pieces import Part, Piece, ToolCall
from lmx_worker.output.stops import StopMatcher
from lmx_worker.output.text import (
    MAX_FAILED_CHARACTERS,
    NORMAL,
    REASONING,
    TOOL,
    Marker,
    TextFormat,
    TextMachine,
)
from tests.test_text import CALL, HERMES, TOOLS, parse_json

MISTRAL = TextFormat({NORMAL: (Marker("[TOOL_CALLS]", TOOL),), TOOL: ()}, parse_json)
HEADERS = TextFormat(
    {
        "header": (Marker("to=self|", REASONING), Marker("to=user|", NORMAL), Marker("<tool_call>", TOOL)),
        REASONING: (Marker("<eom>", "header"),),
        NORMAL: (Marker("<eom>", "header"),),
        TOOL: (Marker("</tool_call>", NORMAL),),
    },
    parse_json,
)
FORMATS = {"hermes": (HERMES, NORMAL), "thinking": (HERMES, REASONING), "mistral": (MISTRAL, NORMAL)}
WORDS = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", CALL, '{"name": "other"}',
    "hello", " ", "\n", "<", "</", "tool_call>", "<tool", "ä", "😀", "<eom>", "to=self|", "to=user|",
)  # fmt: skip
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]")


def random_text(rng: random.Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.randrange(12))]
    # Cut anywhere, so that markers are broken too.
    return "".join(word[: rng.randrange(1, len(word) + 1)] if rng.random() < 0.2 else word for word in words)


def parts_of(
    text: str, rng: random.Random | None, text_format: TextFormat, state: str, complete: bool
) -> Any:
    machine = TextMachine(text_format, state, TOOLS)
    parts: list[Part] = []
    at = 0
    while at < len(text):
        size = len(text) if rng is None else rng.randrange(1, 9)
        parts += machine.feed(text[at : at + size])
        at += size
    return parts + machine.flush(complete=complete)


def whole(parts: list[Part]) -> list[Any]:
    """Without what depends on chance: where pieces were cut, and ids."""
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, ToolCall):
            joined.append((part.index, part.name, part.arguments))
        elif joined and joined[-1][0] == part.kind:
            joined[-1] = (part.kind, joined[-1][1] + part.text)
        else:
            joined.append((part.kind, part.text))
    return joined


@pytest.mark.parametrize("name", FORMATS)
def test_every_character_is_in_one_piece_one_call_or_one_marker(name: str) -> None:
    text_format, state = FORMATS[name]
    rng = random.Random(name)
    for _ in range(1500):
        text, complete = random_text(rng), rng.random() < 0.5
        at, calls = 0, 0
        for part in [*parts_of(text, rng, text_format, state, complete), Piece("text", "", len(text))]:
            if isinstance(part, ToolCall):
                calls += 1
                continue
            assert text[part.start : part.end] == part.text and part.start >= at
            swallowed = text[at : part.start]
            # Between two pieces there are whole calls, blanks beside them, and single markers.
            assert swallowed.count(CALL) == calls, (text, swallowed)
            rest = swallowed.replace(CALL, "")
            for marker in MARKERS:
                rest = rest.replace(marker, "")
            assert rest.strip() == "", (text, swallowed)
            at, calls = part.end, 0


@pytest.mark.parametrize("name", FORMATS)
def test_how_the_text_arrives_changes_nothing(name: str) -> None:
    text_format, state = FORMATS[name]
    rng = random.Random(name)
    for _ in range(1500):
        text, complete = random_text(rng), rng.random() < 0.5
        at_once = whole(parts_of(text, None, text_format, state, complete))
        assert whole(parts_of(text, rng, text_format, state, complete)) == at_once, text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("end", ["", "</think>", "</tool_call>"])
def test_calls_opened_without_end_cost_as_much_as_they_are_long(name: str, end: str) -> None:
    """A model in a loop must not hold up the rows beside it. Quadratic, this takes minutes."""
    text_format, state = FORMATS[name]
    opening = "[TOOL_CALLS]" if name == "mistral" else "<tool_call>"
    began = time.process_time()
    machine = TextMachine(text_format, state, TOOLS)
    parts: list[Part] = []
    for piece in [opening] * 100_000 + [end]:
        parts += machine.feed(piece)
    parts += machine.flush(complete=True)
    assert time.process_time() - began < 20
    assert sum(len(part.text) for part in parts if isinstance(part, Piece)) >= 100_000 * len(opening)
    assert len(parts) < 10, "neighbouring pieces are one"


@pytest.mark.parametrize("name", FORMATS)
def test_parsers_are_not_asked_without_end(name: str) -> None:
    """Some of them take much longer to refuse a text than it takes to find its end."""
    text_format, state = FORMATS[name]
    read: list[int] = []

    def refuse(text: str, tools: Any) -> Any:
        read.append(len(text))
        raise ValueError("no call")

    opening = "[TOOL_CALLS]" if name == "mistral" else "<tool_call>"
    text = opening * 5000 + "</tool_call>"
    parts = parts_of(text, None, TextFormat(text_format.transitions, refuse), state, True)
    assert len(read) > 10 and sum(read) < MAX_FAILED_CHARACTERS + len(text)
    assert whole(parts) == [("reasoning" if state == REASONING else "text", text)]


def test_an_answer_that_never_leaves_its_header_is_the_answer() -> None:
    assert whole(parts_of("just text", None, HEADERS, "header", True)) == [("text", "just text")]
    assert whole(parts_of("from=x to=user|hi<eom>from=y", None, HEADERS, "header", True)) == [("text", "hi")]
    broken = "to=self|hm<eom><tool_call>x</tool_call>"
    assert whole(parts_of(broken, None, HEADERS, "header", True)) == [
        ("reasoning", "hm"),
        ("text", "<tool_call>x</tool_call>"),
    ]


def test_stops_hold_nothing_back_for_good() -> None:
    rng = random.Random(5)
    for _ in range(1500):
        text = random_text(rng)
        parts = parts_of(text, rng, HERMES, NORMAL, True)
        matcher = StopMatcher(["zzz", "hello!", "<tool", "\n\n\n"][: rng.randrange(1, 5)])
        passed = [part for item in parts for part in matcher.feed([item])]
        if not matcher.stopped:
            assert whole(passed + matcher.flush()) == whole(parts)
