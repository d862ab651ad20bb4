"""Prompts and text on a real tokenizer wrapper of mlx_lm."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.engine.interface import RowToken
from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.codec import MlxCodec, TokenBytes
from lmx_worker.output.text import NORMAL, REASONING, TextMachine
from lmx_worker.scheduling.completion import Completion
from lmx_worker.wire.commands import MessagesPrompt, TextPrompt
from tests.tiny_models import CHAT_TEMPLATE, write_tokenizer

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 320}')
    return tmp_path


@pytest.fixture
def codec(directory: Path) -> MlxCodec:
    return MlxCodec(load_tokenizer(directory))


def with_template(directory: Path, template: str | None) -> MlxCodec:
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": template}))
    return MlxCodec(load_tokenizer(directory))


def prompt(*messages: dict[str, Any], tools: tuple = (), **arguments: Any) -> MessagesPrompt:
    return MessagesPrompt(messages, tools, arguments)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def rendered(codec: MlxCodec, asked: MessagesPrompt) -> str:
    return codec._tokenizer.decode(codec.encode(asked).token_ids)


def test_a_conversation_is_rendered_by_the_template(codec: MlxCodec) -> None:
    assert rendered(codec, prompt(user("hi"))) == "<|user|>hi<|end|><|assistant|>"
    assert rendered(codec, prompt(user("hi"), tools=(TOOL,))).startswith('<|system|>[{"type": "function"')


def test_plain_text_is_tokenised_as_it_is(codec: MlxCodec) -> None:
    encoded = codec.encode(TextPrompt("a lazy dog"))
    assert codec._tokenizer.decode(encoded.token_ids) == "a lazy dog" and encoded.initial_state == NORMAL


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [('{"city": "Köln"}', '{"city": "Köln"}'), ("", "{}"), ("{", '"{"'), ("[1]", '"[1]"')],
)
def test_arguments_of_earlier_calls_reach_the_template_as_objects(
    codec: MlxCodec, arguments: str, shown: str
) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    text = rendered(codec, prompt(user("hi"), message))
    assert f'"arguments": {shown}}}</tool_call>' in text
    assert call["function"] == {"name": "get_weather", "arguments": arguments}, "the request is left alone"


JOINED = (
    "{%- for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{%- for call in message.tool_calls or [] %}"
    "{{ '<tool_call>' + call.function.name + ': ' + call.function.arguments + '</tool_call>' }}"
    "{% endfor %}<|end|>{% endfor %}<|assistant|>"
)
ITEMS = JOINED.replace("call.function.arguments +", "(call.function.arguments.items() | list | string) +")


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        (None, '{"name": "get_weather", "arguments": {"city": "Paris"}}'),
        (JOINED, 'get_weather: {"city":"Paris"}'),
        (ITEMS, "get_weather: [('city', 'Paris')]"),
    ],
)
def test_a_conversation_with_results_of_tools_is_rendered_whatever_the_template_wants(
    directory: Path, template: str | None, shown: str
) -> None:
    """Some templates read the arguments as an object, some join them to other text."""
    codec = with_template(directory, template or CHAT_TEMPLATE)
    function = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    text = rendered(
        codec,
        prompt(
            user("How is it?"),
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "1", "type": "function", "function": function}],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "1", "name": "get_weather"},
        ),
    )
    assert f"<|assistant|><tool_call>{shown}</tool_call><|end|><|tool|>sunny<|end|><|assistant|>" in text


def test_a_template_that_refuses_both_forms_says_what_it_said_first(directory: Path) -> None:
    codec = with_template(directory, "{{ messages[0].tool_calls[0].function.arguments.city + 1 }}")
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"city":"Paris"}'}}
    with pytest.raises(RequestFailure, match="can only concatenate str"):
        codec.encode(prompt({"role": "assistant", "content": "", "tool_calls": [call]}))


# In the manner of Gemma and Mistral; joins arguments to other text, so that it needs them as text as well.
ALTERNATING = (
    "{%- if messages[0].role == 'system' %}<|system|>{{ messages[0].content }}<|end|>"
    "{%- set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}"
    "{%- for turn in turns %}{%- if (turn.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{%- for call in turn.tool_calls or [] %}{{ call.function.arguments + '' }}{% endfor %}"
    "<|{{ turn.role }}|>{{ turn.content }}<|end|>{% endfor %}"
)


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def assistant(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ((system("a"), system("b"), user("c")), "<|system|>a\n\nb<|end|><|user|>c<|end|>"),
        (
            (system("a"), user("b"), assistant("c"), system("d"), user("e")),
            "<|system|>a<|end|><|user|>b<|end|><|assistant|>c<|end|><|user|>d\n\ne<|end|>",
        ),
        ((user("a"), user("b"), system("c")), "<|user|>a\n\nb\n\nc<|end|>"),
    ],
)
def test_a_template_that_wants_turns_to_alternate_gets_them_so(
    directory: Path, messages: tuple[dict[str, Any], ...], shown: str
) -> None:
    asked = prompt(*messages)
    copy = json.dumps(messages)
    assert rendered(with_template(directory, ALTERNATING), asked) == shown
    assert json.dumps(messages) == copy, "the request is left alone"


def test_turns_that_alternate_may_need_their_arguments_as_text_too(directory: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = (user("a"), user("b"), assistant("c", tool_calls=[call]), user("d"))
    shown = "<|user|>a\n\nb<|end|>{}<|assistant|>c<|end|><|user|>d<|end|>"
    assert rendered(with_template(directory, ALTERNATING), prompt(*messages)) == shown


def test_a_tool_without_a_description_fits_a_template_that_joins_it_to_text(directory: Path) -> None:
    named = {"type": "function", "function": {"name": "f"}}
    shown = "{% for tool in tools %}{{ '// ' + tool.function.description }}{% endfor %}."
    assert rendered(with_template(directory, shown), prompt(user("a"), tools=(named,))) == "// ."
    asked = "{{ 'described' if tools[0].function.description is defined else 'as sent' }}"
    assert rendered(with_template(directory, asked), prompt(user("a"), tools=(named,))) == "as sent"


def test_a_template_that_takes_the_conversation_as_it_is_sees_it_so(codec: MlxCodec) -> None:
    shown = rendered(codec, prompt(user("a"), user("b"), system("c")))
    assert shown == "<|user|>a<|end|><|user|>b<|end|><|system|>c<|end|><|assistant|>"


def test_a_conversation_that_no_form_makes_alternate_is_refused(directory: Path) -> None:
    with pytest.raises(RequestFailure, match="roles must alternate"):
        with_template(directory, ALTERNATING).encode(prompt(user("a"), assistant("b"), assistant("c")))


# As Mistral writes it; the name of the marker tells mlx_lm which parser reads the calls.
NINE = (
    "{%- for message in messages %}{%- for call in message.tool_calls or [] %}"
    "{%- if call.id | length != 9 %}{{ raise_exception('Tool call IDs should be 9 long') }}{% endif %}"
    "[TOOL_CALLS]{{ call.id }};{% endfor %}"
    "{%- if message.role == 'tool' %}[TOOL_RESULTS]{{ message.tool_call_id }};{% endif %}{% endfor %}"
)


def ids_shown(codec: MlxCodec, *ids: str) -> list[str]:
    """What the template says of a call and its result for each of these ids."""
    turns = []
    for call_id in ids:
        call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns += [
            assistant("", tool_calls=[call]),
            {"role": "tool", "content": "x", "tool_call_id": call_id},
        ]
    text = rendered(codec, prompt(user("hi"), *turns))
    return text.replace("[TOOL_CALLS]", "").replace("[TOOL_RESULTS]", "").split(";")[:-1]


def test_ids_of_calls_get_the_length_the_template_insists_on(directory: Path) -> None:
    foreign = ("call_0123456789abcdef01234567", "call_x", "ab-cd-efg", "äbcdefghi", "", "\ud800")
    nine = with_template(directory, NINE)
    shown = ids_shown(nine, *foreign)
    assert shown[::2] == shown[1::2], "a call and its result"
    assert len(set(shown)) == len(foreign) and shown == ids_shown(nine, *foreign)
    assert all(len(call_id) == 9 and call_id.isascii() and call_id.isalnum() for call_id in shown)
    assert ids_shown(nine, "aZ3456789") == ["aZ3456789"] * 2
    free = with_template(directory, NINE.replace("[TOOL_CALLS]", "").replace("!= 9", "== 0"))
    assert ids_shown(free, "call_x") == ["call_x"] * 2, "where nobody insists they are as they were"


def test_text_begins_as_the_tokenizer_begins_it(directory: Path) -> None:
    file = directory / "tokenizer.json"
    settings = json.loads(file.read_text())
    settings["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|system|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<|system|>": {"id": "<|system|>", "ids": [1], "tokens": ["<|system|>"]}},
    }
    file.write_text(json.dumps(settings))
    codec = MlxCodec(load_tokenizer(directory))
    assert codec.encode(TextPrompt("a")).token_ids[0] == 1
    assert codec.encode(TextPrompt("")).token_ids == [1]
    assert codec.encode(prompt(user("hi"))).token_ids[0] != 1


def test_bytes_of_tokens_are_known_for_every_kind_of_tokenizer(directory: Path) -> None:
    codec = MlxCodec(load_tokenizer(directory))
    ids = codec._tokenizer.encode("the 😀", add_special_tokens=False)
    assert b"".join(map(codec.token_bytes, ids)).decode() == "the 😀"
    assert codec.token_bytes(319) == b"</tool_call>" and codec.token_bytes(10**6) == b""
    settings = json.loads((directory / "tokenizer.json").read_text())
    settings["decoder"] = {"type": "Sequence", "decoders": [settings["decoder"], {"type": "Fuse"}]}
    (directory / "tokenizer.json").write_text(json.dumps(settings))
    other = MlxCodec(load_tokenizer(directory))
    assert other.token_bytes(ids[0]) == codec.token_bytes(ids[0]) and other.token_bytes(10**6) == b""


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ messages[5].content }}", "no element 5"),
        ("{% if %}", "refused"),
        ("{{ ''.__class__.__mro__ }}", "refused"),
    ],
)
def test_a_template_that_refuses_is_the_requests_error(directory: Path, template: str, says: str) -> None:
    with pytest.raises(RequestFailure) as info:
        with_template(directory, template).encode(prompt(user("hi")))
    assert info.value.word == "invalid_request_error" and says in info.value.message


def test_a_model_without_a_template_takes_only_text(directory: Path) -> None:
    file = directory / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    del settings["chat_template"]
    file.write_text(json.dumps(settings))
    codec = MlxCodec(load_tokenizer(directory))
    assert not codec.has_chat_template
    with pytest.raises(RequestFailure, match="no chat template"):
        codec.encode(prompt(user("hi")))


@pytest.mark.parametrize(
    "name", ["chat_template", "tokenize", "tools", "return_tensors", "continue_final_message"]
)
def test_a_client_cannot_reach_the_template_call_itself(codec: MlxCodec, name: str) -> None:
    with pytest.raises(RequestFailure, match=name):
        codec.encode(MessagesPrompt((user("hi"),), (), {name: "{{ 1 }}"}))


def test_reasoning_opened_by_the_template_is_where_the_answer_starts(directory: Path) -> None:
    opening = CHAT_TEMPLATE.replace("<|assistant|>{%", "<|assistant|><think>\n{%")
    assert with_template(directory, opening).encode(prompt(user("hi"))).initial_state == REASONING


def test_a_marker_the_user_wrote_or_the_template_closed_opens_nothing(
    directory: Path, codec: MlxCodec
) -> None:
    assert codec.encode(prompt(user("what is <think>"))).initial_state == NORMAL
    closing = CHAT_TEMPLATE.replace("<|assistant|>{%", "<|assistant|><think>\n\n</think>{%")
    assert with_template(directory, closing).encode(prompt(user("hi"))).initial_state == NORMAL


def generated(codec: MlxCodec, text: str, *, tools: tuple = (), end: bool = True) -> list[dict[str, Any]]:
    """Events of a generation of exactly this text."""
    ids = codec._tokenizer.encode(text, add_special_tokens=False)
    completion = Completion("a", 1, codec.detokenizer(), TextMachine(codec.text_format, NORMAL, tools))
    events: list[dict[str, Any]] = []
    for index, token in enumerate(ids):
        last = not end and index == len(ids) - 1
        events += completion.accept(RowToken(0, token, "length" if last else None, None))["events"]
    if end:
        events += completion.accept(RowToken(0, 0, "stop", None))["events"]
    return events


def test_a_call_is_read_by_the_parser_mlx_lm_found_for_the_model(codec: MlxCodec) -> None:
    text = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
    events = generated(codec, text, tools=(TOOL,))
    assert [event["type"] for event in events] == ["tool_call", "finish"]
    assert (events[0]["name"], events[0]["arguments"]) == ("get_weather", '{"city": "Paris"}')
    assert events[1]["reason"] == "tool_calls"
    assert generated(codec, text)[-1]["reason"] == "stop"


def test_a_call_cut_by_the_limit_is_text_and_the_reason_is_length(codec: MlxCodec) -> None:
    text = '<tool_call>{"name": "get_weather", "argum'
    events = generated(codec, text, tools=(TOOL,), end=False)
    assert "".join(event.get("text", "") for event in events) == text
    assert events[-1]["reason"] == "length"


def test_reasoning_tokens_are_counted(codec: MlxCodec) -> None:
    events = generated(codec, "<think>the lazy dog</think>runs")
    usage = events[-1]["usage"]
    assert 3 <= usage["reasoning_tokens"] < usage["completion_tokens"]
    assert {event["type"] for event in events} == {"reasoning", "text", "finish"}


@pytest.mark.parametrize("text", ["smile 😀", "held back <", "held back <tool_ca", "held <think"])
def test_nothing_held_back_is_lost_at_the_end(codec: MlxCodec, text: str) -> None:
    for end in (True, False):
        events = generated(codec, text, tools=(TOOL,), end=end)
        assert "".join(event.get("text", "") for event in events) == text


class FakeStrictTokenizer:
    """As tokenizers written in Python: an id without a token is an exception."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def convert_ids_to_tokens(self, token_id: int) -> str:
        if token_id >= len(self.tokenizer.get_vocab()):
            raise IndexError("piece id is out of range.")
        return self.tokenizer.convert_ids_to_tokens(token_id)

    def decode(self, token_ids: list[int], **options: Any) -> str:
        for token_id in token_ids:
            self.convert_ids_to_tokens(token_id)
        return self.tokenizer.decode(token_ids, **options)


def test_ids_without_a_token_are_no_text(codec: MlxCodec) -> None:
    """An embedding is often padded: the model may say, and a client may send, ids beyond the vocabulary."""
    ids = codec.encode(TextPrompt("the lazy dog")).token_ids
    tokenizer: Any = FakeStrictTokenizer(codec._tokenizer)
    codec._tokenizer = tokenizer
    assert codec.decode([*ids, 10**5]) == "the lazy dog" == codec.decode(ids)
    assert TokenBytes(tokenizer)(10**5) == b"" and TokenBytes(tokenizer)(ids[0])


def test_the_longest_token_is_measured_in_bytes_of_text(codec: MlxCodec) -> None:
    """Not of its name, in which two bytes stand for a space."""
    ids = codec._tokenizer.get_vocab().values()
    assert codec.longest_token_bytes == max(len(codec.token_bytes(token_id)) for token_id in ids)
    assert codec.token_bytes.longest(["\u0120" * 4, "lazy"]) == 4
