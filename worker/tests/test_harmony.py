"""Answers of gpt-oss: what of them is answer, reasoning or call, however they arrive."""

import random
import time
from itertools import pairwise
from typing import Any

import pytest

from lmx_worker.output.harmony import HEADER_CHARACTERS, HarmonyMachine
from lmx_worker.output.pieces import Part, Piece, ToolCall
from tests.test_text import TOOLS
from tests.test_text_property import whole

ANALYSIS = "<|channel|>analysis<|message|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>"
PREAMBLE = "<|start|>assistant<|channel|>commentary<|message|>"
BEHIND = "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
BEFORE = "<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>"
ARGUMENTS = '{"city": "Köln"}'
CALL = ("get_weather", ARGUMENTS)


def parts_of(text: str, *cuts: int, tools: list[Any] = TOOLS, complete: bool = True) -> list[Part]:
    machine = HarmonyMachine(tools)
    places = [0, *cuts, len(text)]
    parts = [part for a, b in pairwise(places) for part in machine.feed(text[a:b])]
    return parts + machine.flush(complete=complete)


def read(text: str, *cuts: int, **options: Any) -> list[Any]:
    return whole(parts_of(text, *cuts, **options))


ANSWERS: dict[str, tuple[str, list[Any]]] = {
    "reasoning, then the answer": (
        f"{ANALYSIS}We greet.<|end|>{FINAL}Hi < there",
        [("reasoning", "We greet."), ("text", "Hi < there")],
    ),
    "the end of the answer as text": ("<|channel|>final<|message|>Hi<|return|>", [("text", "Hi")]),
    "a preamble and a call": (
        f"{ANALYSIS}Hm.<|end|>{PREAMBLE}I look.<|end|>{BEHIND}{ARGUMENTS}",
        [("reasoning", "Hm."), ("text", "I look."), (0, *CALL)],
    ),
    "the recipient before the channel": (
        f"{ANALYSIS}Hm.<|end|>{BEFORE}{ARGUMENTS}<|call|>",
        [("reasoning", "Hm."), (0, *CALL)],
    ),
    "a recipient at once": (
        BEFORE.removeprefix("<|start|>assistant") + ARGUMENTS,
        [(0, *CALL)],
    ),
    "a call in the channel of the reasoning, without a type": (
        f"<|channel|>analysis to=functions.get_weather<|message|>{ARGUMENTS}",
        [(0, *CALL)],
    ),
    "calls in a row": (
        f"{BEHIND}{ARGUMENTS}<|call|>{BEFORE}<|call|>{FINAL}Done.",
        [(0, *CALL), (1, "get_weather", "{}"), ("text", "Done.")],
    ),
    "a message that was not ended": (
        f"{ANALYSIS}Hm.{FINAL}Hi<|channel|>analysis<|message|>So?",
        [("reasoning", "Hm."), ("text", "Hi"), ("reasoning", "So?")],
    ),
    "an unknown channel": ("<|channel|>summary<|message|>In short.", [("text", "In short.")]),
    "a type of the answer": ("<|channel|>final <|constrain|>json<|message|>{}", [("text", "{}")]),
    "no channel": ("<|message|>Hi", [("text", "Hi")]),
    "text without a header": ("total 5 <|end|>\n", [("text", "total 5 ")]),
    "arguments cut": (f"{BEHIND}{{<|call|>", [("text", "to=functions.get_weather {")]),
    "arguments that are no object": (f"{BEFORE}[1]", [("text", "to=functions.get_weather[1]")]),
    "a tool nobody has": (
        f"<|channel|>analysis to=browser.search code<|message|>{ARGUMENTS}<|call|>",
        [("text", f"to=browser.search {ARGUMENTS}")],
    ),
    "text about the format": (
        f"{ANALYSIS}The <|channel|> token {'x' * HEADER_CHARACTERS}<|end|>{FINAL}Hi",
        [("reasoning", f"The <|channel|> token {'x' * HEADER_CHARACTERS}"), ("text", "Hi")],
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_the_same_wherever_it_is_cut(name: str) -> None:
    text, parts = ANSWERS[name]
    assert read(text) == parts
    assert read(text, *range(1, len(text))) == parts
    for cut in range(1, len(text)):
        assert read(text, cut) == parts, text[cut:]


def test_a_request_without_tools_sees_calls_as_text() -> None:
    text = f"{ANALYSIS}Hm.<|end|>{BEHIND}{ARGUMENTS}"
    assert read(text, tools=[]) == [("reasoning", "Hm."), ("text", f"to=functions.get_weather {ARGUMENTS}")]


@pytest.mark.parametrize("complete", [True, False])
def test_a_header_cut_by_the_limit_is_not_shown(complete: bool) -> None:
    text = f"{ANALYSIS}Hm.<|end|>{BEHIND}"
    before = len(f"{ANALYSIS}Hm.<|end|>")
    for end in range(before, len(text)):
        assert read(text[:end], complete=complete)[:1] == [("reasoning", "Hm.")]
        assert "|" not in str(read(text[:end], complete=complete)), text[:end]
    assert read("<|channel|>ana", complete=complete) == []


def test_a_call_cut_by_the_limit_is_text() -> None:
    """Even where its arguments happen to be whole."""
    shown = f"to=functions.get_weather {ARGUMENTS}"
    assert read(f"{BEHIND}{ARGUMENTS}", complete=False) == [("text", shown)]


def test_text_is_shown_as_it_comes() -> None:
    machine = HarmonyMachine(TOOLS)
    assert machine.feed("to=") == []
    assert whole(machine.feed("x" * HEADER_CHARACTERS)) == [("text", "to=" + "x" * HEADER_CHARACTERS)]
    assert whole(machine.feed("Hi")) == [("text", "Hi")]
    assert whole(machine.feed("<|end|><|start|>assistant")) == []
    assert not machine.feed("<|channel|>analysis<|mess") and not machine.reasoning
    assert whole(machine.feed("age|>so")) == [("reasoning", "so")] and machine.reasoning
    shown = machine.feed("<|end|><|start|>assistant to=python<|channel|>analysis code<|message|>1 +")
    assert whole(shown) == [("text", "to=python1 +")] and not machine.reasoning


WORDS = (
    ANALYSIS, FINAL, PREAMBLE, BEHIND, BEFORE, ARGUMENTS, "<|end|>", "<|call|>", "<|return|>", "<|start|>",
    "<|channel|>", "<|message|>", "to=", "functions.get_weather", "hello", " ", "\n", "<", "<|", "ä", "{",
    "x" * 250,
)  # fmt: skip


def random_text(rng: random.Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.randrange(12))]
    return "".join(word[: rng.randrange(1, len(word) + 1)] if rng.random() < 0.2 else word for word in words)


def test_however_a_random_text_arrives_it_is_read_the_same_and_in_order() -> None:
    rng = random.Random("harmony")
    for _ in range(1500):
        text, complete = random_text(rng), rng.random() < 0.5
        cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randrange(8)))
        parts = parts_of(text, *cuts, complete=complete)
        assert whole(parts) == read(text, complete=complete), text
        at = 0
        for part in parts:
            if isinstance(part, Piece):
                assert text[part.start : part.end] == part.text and part.start >= at, text
                at = part.end


@pytest.mark.parametrize("marker", ["<|channel|>", "<|start|>", "to=", FINAL, BEHIND, "<|end|>"])
def test_markers_without_end_cost_as_much_as_they_are_long(marker: str) -> None:
    """A model in a loop must not hold up the rows beside it. Quadratic, this takes minutes."""
    began = time.process_time()
    machine = HarmonyMachine(TOOLS)
    for _ in range(50_000):
        machine.feed(marker)
    machine.flush(complete=True)
    assert time.process_time() - began < 20


def test_calls_have_ids_of_their_own() -> None:
    calls = [part for part in parts_of(f"{BEHIND}{{}}<|call|>{BEHIND}{{}}") if isinstance(part, ToolCall)]
    assert len({call.id for call in calls}) == 2 and all(call.id.startswith("call_") for call in calls)
