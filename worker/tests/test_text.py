import json
from typing import Any

import pytest

from lmx_worker.output.pieces import Part, ToolCall
from lmx_worker.output.text import NORMAL, REASONING, TOOL, Marker, TextFormat, TextMachine

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]
CALL = '{"name": "get_weather", "arguments": {"city": "Köln"}}'


def parse_json(text: str, tools: Any) -> Any:
    return json.loads(text)


HERMES = TextFormat(
    transitions={
        NORMAL: (Marker("<think>", REASONING), Marker("<tool_call>", TOOL)),
        REASONING: (Marker("</think>", NORMAL), Marker("<tool_call>", TOOL)),
        TOOL: (Marker("</tool_call>", NORMAL),),
    },
    parse_call=parse_json,
)


def run(
    text: str,
    *,
    size: int = 1,
    text_format: TextFormat = HERMES,
    tools: list[Any] = TOOLS,
    state: str = NORMAL,
    complete: bool = True,
) -> list[dict[str, Any]]:
    """All events for a text fed in pieces of one size, neighbouring text events joined."""
    machine = TextMachine(text_format, state, tools)
    parts = [part for at in range(0, len(text), size) for part in machine.feed(text[at : at + size])]
    parts += machine.flush(complete=complete)
    joined: list[dict[str, Any]] = []
    for event in map(as_event, parts):
        if joined and event["type"] == joined[-1]["type"] and "text" in event:
            joined[-1]["text"] += event["text"]
        else:
            joined.append(dict(event))
    return joined


def as_event(part: Part) -> dict[str, Any]:
    if isinstance(part, ToolCall):
        return {"type": "tool_call", **vars(part)}
    return {"type": part.kind, "text": part.text}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "text": text}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_call_is_one_event_however_the_text_arrives(size: int) -> None:
    events = run(f"Let me see.<tool_call>\n{CALL}\n</tool_call>", size=size)
    assert events[0] == said("Let me see.")
    call = events[1]
    assert (call["type"], call["index"], call["name"]) == ("tool_call", 0, "get_weather")
    assert json.loads(call["arguments"]) == {"city": "Köln"} and "Köln" in call["arguments"]
    assert call["id"].startswith("call_") and len(call["id"]) == 29
    assert len(events) == 2


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_calls_in_a_row_are_numbered_and_the_blanks_between_them_are_not_text(size: int) -> None:
    block = f"<tool_call>{CALL}</tool_call>"
    events = run(f"{block}\n{block}\n\nDone.", size=size)
    assert [event["type"] for event in events] == ["tool_call", "tool_call", "text"]
    assert [event["index"] for event in events[:2]] == [0, 1]
    assert events[0]["id"] != events[1]["id"]
    assert events[2] == said("\n\nDone.")
    assert [event["type"] for event in run(block + "\n", size=size)] == ["tool_call"]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>not json</tool_call> tail",
        '<tool_call>{"name": "other", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "get_weather", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "get_weather", "arguments": "{"}</tool_call>',
        '<tool_call>{"arguments": {}}</tool_call>',
        "<tool_call>[]</tool_call>",
        "<tool_call>5</tool_call>",
        f"<tool_call>{CALL}",
        "<tool_call>",
        "half <tool_ca",
        "<",
        "a < b << c <t <tool <tool_call",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("complete", [True, False])
def test_what_is_no_call_is_text_and_not_a_character_is_lost(text: str, size: int, complete: bool) -> None:
    assert run(text, size=size, complete=complete) == [said(text)]


@pytest.mark.parametrize(
    "error", [ValueError, AttributeError, KeyError, TypeError, RecursionError, IndexError]
)
def test_a_parser_may_raise_whatever_it_likes(error: type[Exception]) -> None:
    def parse(text: str, tools: Any) -> Any:
        raise error("bad")

    text_format = TextFormat(HERMES.transitions, parse)
    text = "<tool_call>x</tool_call>"
    assert run(text, text_format=text_format) == [said(text)]


def test_a_request_without_tools_sees_everything_as_text() -> None:
    text = f"<tool_call>{CALL}</tool_call>"
    assert run(text, tools=[]) == [said(text)]
    assert run(f"<think>{text}</think>!", tools=[]) == [thought(text), said("!")]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reasoning_is_told_apart(size: int) -> None:
    text = "<think>hm < 5 </thin</think>\n\nYes."
    assert run(text, size=size) == [thought("hm < 5 </thin"), said("\n\nYes.")]


def test_reasoning_the_template_opened_and_nobody_closed() -> None:
    assert run("hm </thi", state=REASONING) == [thought("hm </thi")]
    assert run("hm</think>ok", state=REASONING) == [thought("hm"), said("ok")]


def test_a_call_from_within_the_reasoning_and_a_broken_one() -> None:
    good = run(f"<think>a<tool_call>{CALL}</tool_call>b")
    assert [event["type"] for event in good] == ["reasoning", "tool_call", "text"]
    assert run("<think>a<tool_call>x</tool_call>b</think>c") == [
        thought("a<tool_call>x</tool_call>b"),
        said("c"),
    ]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reasoning_about_calls_does_not_swallow_the_answer(size: int) -> None:
    text = "<think>I could use <tool_call> here.</think>Hello."
    assert run(text, size=size) == [thought("I could use <tool_call> here."), said("Hello.")]
    with_call = f"<think>or <tool_call> so</think><tool_call>{CALL}</tool_call>"
    assert [event["type"] for event in run(with_call, size=size)] == ["reasoning", "tool_call"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_call_behind_a_broken_one_is_still_found(size: int) -> None:
    text = f"<tool_call>oh no<tool_call>{CALL}</tool_call>"
    assert [event["type"] for event in run(text, size=size)] == ["text", "tool_call"]
    assert run(text, size=size)[0] == said("<tool_call>oh no")


def test_calls_without_an_end_marker_end_with_the_answer() -> None:
    """Only when the model ended it: an answer cut by its limit may hold half a call."""
    mistral = TextFormat(
        {NORMAL: (Marker("[TOOL_CALLS]", TOOL),), TOOL: ()},
        lambda text, _: json.loads(text),
    )
    text = f"[TOOL_CALLS][{CALL}, {CALL}]"
    assert [event["type"] for event in run(text, text_format=mistral)] == ["tool_call", "tool_call"]
    assert run(text, text_format=mistral, complete=False) == [said(text)]


def test_ids_of_the_model_are_kept() -> None:
    def parse(text: str, tools: Any) -> Any:
        return [{"id": "functions.get_weather:0", "name": "get_weather", "arguments": {}}]

    text_format = TextFormat(HERMES.transitions, parse)
    (call,) = run("<tool_call>x</tool_call>", text_format=text_format)
    assert (call["id"], call["arguments"]) == ("functions.get_weather:0", "{}")


def test_headers_between_messages_are_structure() -> None:
    muse = TextFormat(
        {
            "header": (Marker("to=self|", REASONING), Marker("to=user|", NORMAL)),
            REASONING: (Marker("<eom>", "header"),),
            NORMAL: (Marker("<eom>", "header"),),
        }
    )
    events = run("to=self|think<eom>from=x to=user|answer", text_format=muse, state="header", tools=[])
    assert events == [thought("think"), said("answer")]
