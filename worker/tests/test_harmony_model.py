"""gpt-oss as a model: how it is known, where its answers end, and what it sees of its earlier ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.engine.interface import LoadedModel, ModelFacts, RowToken
from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.codec import MlxCodec, parser_name
from lmx_worker.mlx_engine.load import read_model
from lmx_worker.scheduling.completion import Completion
from lmx_worker.scheduling.input_processor import admit_prompt
from lmx_worker.wire.commands import Generate, Load, MessagesPrompt, Sampling
from tests.test_harmony import ANALYSIS, ARGUMENTS, BEFORE, BEHIND, FINAL, PREAMBLE
from tests.test_text import TOOLS
from tests.tiny_models import build_model, write_tokenizer

# In the manner of the model's own: what it says of an answer that still holds its headers, of reasoning
# beside text and a call, and that of earlier reasoning only that before a call is shown.
TEMPLATE = (
    "{%- for message in messages %}{%- if message.role == 'assistant' %}"
    "{%- for text in (message.content, message.thinking or '') %}"
    "{%- if '<|channel|>analysis<|message|>' in text %}{{ raise_exception('<|channel|> tags') }}{% endif %}"
    "{%- endfor %}"
    "{%- if 'tool_calls' in message %}{%- set call = message.tool_calls[0].function %}"
    "{%- if message.content and message.thinking %}{{ raise_exception('Cannot pass both') }}{% endif %}"
    "{%- if message.content or message.thinking %}"
    "{{ '<|start|>assistant<|channel|>analysis<|message|>' + (message.content or message.thinking) }}"
    "<|end|>{% endif %}"
    "{{ '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' }}"
    "{{ call.arguments | tojson }}<|call|>"
    "{%- else %}{{ '<|start|>assistant<|channel|>final<|message|>' + message.content }}<|end|>{% endif %}"
    "{%- else %}{{ '<|start|>' + message.role + '<|message|>' + message.content }}<|end|>{% endif %}"
    "{%- endfor %}<|start|>assistant"
)
NAMES = {
    "<|system|>": "<|return|>", "<think>": "<|channel|>", "</think>": "<|message|>",
    "<tool_call>": "<|start|>", "</tool_call>": "<|call|>",
}  # fmt: skip


def with_tokens(directory: Path, template: str = TEMPLATE, **names: str) -> Path:
    """Other names for the markers of the tokenizer that lies there."""
    file = directory / "tokenizer.json"
    text = file.read_text("utf-8")
    for old, new in (NAMES | names).items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    file = directory / "tokenizer_config.json"
    settings = {**json.loads(file.read_text()), "chat_template": template, "eos_token": "<|return|>"}
    file.write_text(json.dumps(settings))
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt_oss", "vocab_size": 320}')
    return tmp_path


def prompt(*messages: dict[str, Any]) -> MessagesPrompt:
    return MessagesPrompt(({"role": "user", "content": "hi"}, *messages), tuple(TOOLS), {})


def generated(codec: MlxCodec, text: str) -> list[dict[str, Any]]:
    """Events of a generation of this text, which the engine ends with a token that is not text."""
    asked = Generate("a", prompt(), Sampling(), 10)
    model = LoadedModel(ModelFacts("gpt_oss", 2048, 320, (1, 319), None, False), codec, 8)
    completion = admit_prompt(1, asked, codec.encode(asked.prompt), model, None).sink
    assert isinstance(completion, Completion)
    tokens = [RowToken(0, token, None, None) for token in codec._tokenizer.encode(text)]
    rows = [completion.accept(token) for token in [*tokens, RowToken(0, 319, "stop", None)]]
    return [event for row in rows for event in row["events"]]


@pytest.mark.parametrize(
    ("template", "renamed", "name"),
    [
        (TEMPLATE, {}, "harmony"),
        ("{{ messages[0].content }}", {}, None),
        (TEMPLATE, {"<tool_call>": "<|begin|>"}, None),
    ],
)
def test_it_is_template_and_vocabulary_that_say_so(
    directory: Path, template: str, renamed: dict[str, str], name: str | None
) -> None:
    codec = MlxCodec(load_tokenizer(with_tokens(directory, template, **renamed)))
    assert parser_name(codec._tokenizer) == name
    events = generated(codec, f"{ANALYSIS}Hm.")
    assert ("reasoning" in {event["type"] for event in events}) == (name == "harmony")


def test_a_call_ends_with_the_token_that_ends_the_answer(directory: Path) -> None:
    codec = MlxCodec(load_tokenizer(with_tokens(directory)))
    events = generated(codec, f"{ANALYSIS}the lazy dog<|end|>{BEHIND}{ARGUMENTS}")
    kinds = [event["type"] for event in events]
    assert list(dict.fromkeys(kinds)) == ["reasoning", "tool_call", "finish"]
    assert events[-2]["name"] == "get_weather" and json.loads(events[-2]["arguments"]) == {"city": "Köln"}
    assert events[-1]["reason"] == "tool_calls"
    assert 3 <= events[-1]["usage"]["reasoning_tokens"] < events[-1]["usage"]["completion_tokens"] / 2


def as_turn(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message a client makes of these events and sends back."""
    said: dict[str, Any] = {"text": "", "reasoning": ""}
    for event in events:
        if event["type"] in said:
            said[event["type"]] += event["text"]
    calls = [
        {
            "id": event["id"],
            "type": "function",
            "function": {"name": event["name"], "arguments": event["arguments"]},
        }
        for event in events
        if event["type"] == "tool_call"
    ]
    turn = {"role": "assistant", "content": said["text"], "reasoning_content": said["reasoning"]}
    return turn | ({"tool_calls": calls} if calls else {})


ROUND_TRIPS = {
    f"{ANALYSIS}Hm.<|end|>{FINAL}Hi": f"{FINAL}Hi<|end|>",
    f"{ANALYSIS}Hm.<|end|>{BEHIND}{ARGUMENTS}": (
        f"<|start|>assistant{ANALYSIS}Hm.<|end|>{BEFORE}{ARGUMENTS}<|call|>"
    ),
    f"{BEHIND}{ARGUMENTS}": f"{BEFORE}{ARGUMENTS}<|call|>",
    f"{ANALYSIS}Hm.<|end|>{PREAMBLE}I look.<|end|>{BEHIND}{ARGUMENTS}": (
        f"<|start|>assistant{ANALYSIS}Hm.\n\nI look.<|end|>{BEFORE}{ARGUMENTS}<|call|>"
    ),
    "<|start|>assistant to=python<|channel|>analysis<|message|>1": f"{FINAL}to=python1<|end|>",
}


@pytest.mark.parametrize("answer", ROUND_TRIPS)
def test_an_answer_that_comes_back_is_rendered_as_the_model_wrote_it(directory: Path, answer: str) -> None:
    codec = MlxCodec(load_tokenizer(with_tokens(directory)))
    turn = as_turn(generated(codec, answer))
    shown = codec.decode(codec.encode(prompt(turn)).token_ids)
    assert shown == f"<|start|>user<|message|>hi<|end|>{ROUND_TRIPS[answer]}<|start|>assistant"


def test_a_template_that_does_not_read_thinking_gets_the_turn_as_it_is(directory: Path) -> None:
    template = TEMPLATE.replace("thinking", "thoughts")
    codec = MlxCodec(load_tokenizer(with_tokens(directory, template)))
    turn = as_turn(generated(codec, f"{ANALYSIS}Hm.<|end|>{PREAMBLE}I look.<|end|>{BEHIND}{ARGUMENTS}"))
    assert f"{ANALYSIS}I look.<|end|>" in codec.decode(codec.encode(prompt(turn)).token_ids)


def test_the_template_is_as_strict_as_the_models_own(directory: Path) -> None:
    codec = MlxCodec(load_tokenizer(with_tokens(directory)))
    with pytest.raises(RequestFailure, match="tags"):
        codec.encode(prompt({"role": "assistant", "content": f"{ANALYSIS}Hm."}))


def test_a_loaded_model_says_what_it_can_and_ends_its_answers_behind_a_call(tmp_path: Path) -> None:
    model = with_tokens(build_model(tmp_path / "model"))
    facts = read_model(Load("m", str(model), None, 4), lambda _: None).facts
    assert (facts.tool_parser, facts.has_thinking) == ("harmony", True)
    assert {1, 319} < set(facts.eos_token_ids), "<|return|> and <|call|>"
