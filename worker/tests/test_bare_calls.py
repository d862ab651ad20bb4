"""Calls without a marker: which models write them, and what is a call and what is text."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.engine.interface import LoadedModel, ModelFacts
from lmx_worker.mlx_engine.codec import MlxCodec, parser_name
from lmx_worker.output.bare_calls import BareCallMachine
from lmx_worker.output.pieces import ToolCall
from lmx_worker.output.text import NORMAL, TextFormat, TextMachine
from lmx_worker.scheduling.completion import Completion, Machine
from lmx_worker.scheduling.input_processor import admit_prompt
from lmx_worker.wire.commands import Generate, MessagesPrompt, Sampling
from tests.test_text import TOOLS
from tests.test_text_property import whole
from tests.tiny_models import CHAT_TEMPLATE, write_tokenizer

CALL = '{"name": "get_weather", "parameters": {"city": "Köln"}}'
# As Llama 3.1 and later ones have it.
LLAMA = (
    "{%- if tools %}Respond in the format "
    '{"name": function name, "parameters": dictionary of argument name and its value}.'
    "{{ tools | tojson }}{% endif %}{{ messages[0].content }}"
)
SIZES = [1, 3, 1000]


def read(text: str, size: int, *, complete: bool = True) -> list[Any]:
    machine = BareCallMachine(TextFormat(), NORMAL, TOOLS)
    parts = [part for at in range(0, len(text), size) for part in machine.feed(text[at : at + size])]
    return whole(parts + machine.flush(complete=complete))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"\n\n{CALL}\n",
        f"<|python_tag|>{CALL}",
        f"<|python_tag|> {CALL}",
        CALL.replace("parameters", "arguments"),
        CALL.replace("{", '{"type": "function", ', 1),
        json.dumps(json.loads(CALL), indent=2, ensure_ascii=False),
    ],
)
def test_an_answer_that_is_one_call_is_a_call(text: str, size: int) -> None:
    ((index, name, arguments),) = read(text, size)
    assert (index, name, json.loads(arguments)) == (0, "get_weather", {"city": "Köln"})
    assert read(text, size, complete=False) == [("text", text)], "its end may be missing"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "Hello.", " ", "{", "<|python", "<|python_tag|>", '<|python_tag|>brave_search.call(query="x")',
        f"So: {CALL}", f"{CALL} is what I would do.", f"{CALL}; {CALL}", CALL[:-1], CALL[:20], f"[{CALL}]",
        CALL.replace("get_weather", "other"), '{"name": "get_weather"}', '{"name": "get_weather", "age": 5}',
        '{"name": "get_weather", "parameters": [1]}', '{"name": "get_weather", "parameters": {"x": NaN}}',
        CALL.replace("}}", '}, "note": 1}'), CALL.replace("}}", '}, "arguments": null}'),
        '{"city": "Köln"}', "{}", "\n" * 50,
    ],
)  # fmt: skip
def test_everything_else_is_text_to_the_last_character(text: str, size: int, complete: bool) -> None:
    assert read(text, size, complete=complete) == [("text", text)]


def test_text_that_cannot_become_a_call_is_not_held() -> None:
    machine = BareCallMachine(TextFormat(), NORMAL, TOOLS)
    assert machine.feed("\n{ ") == []
    assert whole(machine.feed('"city"')) == [("text", '\n{ "city"')]
    assert whole(machine.feed(CALL)) == [("text", CALL)]


def with_template(directory: Path, template: str, *, thinks: bool = False) -> MlxCodec:
    write_tokenizer(directory)
    (directory / "config.json").write_text('{"model_type": "llama", "vocab_size": 320}')
    settings = json.loads((directory / "tokenizer.json").read_text())
    for token in settings["added_tokens"] if not thinks else ():
        token["content"] = token["content"].replace("think", "thing")
    (directory / "tokenizer.json").write_text(json.dumps(settings))
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": template}))
    return MlxCodec(load_tokenizer(directory))


def machine_for(codec: MlxCodec, tools: tuple[Any, ...]) -> Machine:
    prompt = MessagesPrompt(({"role": "user", "content": "hi"},), tools, {})
    model = LoadedModel(ModelFacts("llama", 2048, 320, (0,), None, False), codec, 8)
    admitted = admit_prompt(1, Generate("a", prompt, Sampling(), 10), codec.encode(prompt), model, None)
    assert isinstance(admitted.sink, Completion)
    return admitted.sink.machine


@pytest.mark.parametrize(
    ("template", "name"),
    [(LLAMA, "bare_json"), (CHAT_TEMPLATE, "json_tools"), ("{{ tools }}{{ messages[0].content }}", None)],
)
def test_it_is_the_template_that_says_so(tmp_path: Path, template: str, name: str | None) -> None:
    codec = with_template(tmp_path, template)
    assert parser_name(codec._tokenizer) == name
    machine = machine_for(codec, tuple(TOOLS))
    assert isinstance(machine, BareCallMachine) == (name == "bare_json")
    assert isinstance(machine_for(codec, ()), TextMachine), "without tools everything is text"


def test_behind_a_reasoning_a_call_is_not_the_whole_answer(tmp_path: Path) -> None:
    assert parser_name(with_template(tmp_path, LLAMA, thinks=True)._tokenizer) is None


def test_a_call_has_an_id() -> None:
    machine = BareCallMachine(TextFormat(), NORMAL, TOOLS)
    (call,) = machine.feed(CALL) + machine.flush(complete=True)
    assert isinstance(call, ToolCall) and call.id.startswith("call_")
