"""Every tool parser of the installed mlx_lm: good, malformed, cut, unknown and several calls."""

import json
import pkgutil
from dataclasses import dataclass
from typing import Any

import mlx_lm.tool_parsers
import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.mlx_engine.codec import text_format
from lmx_worker.output.pieces import Part, ToolCall
from lmx_worker.output.text import NORMAL, TextFormat, TextMachine
from tests.test_text_property import whole
from tests.tiny_models import write_tokenizer

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            },
        },
    }
    for name in ("get_weather", "forecast")
]
GOOD = [("get_weather", {"city": "Paris"}), ("forecast", {"city": "New York", "days": 3})]


@dataclass(frozen=True)
class Sample:
    """`calls` renders calls as the model writes them, `malformed` are blocks that end but are broken."""

    start: str
    end: str
    first: str
    second: str
    malformed: tuple[str, ...]
    between: str = "\n"
    in_one_block: bool = False


def wrapped(start: str, end: str, first: str, second: str, *malformed: str, **more: Any) -> Sample:
    return Sample(start, end, first, second, malformed, **more)


def xml(key: str, value: str) -> tuple[str, str]:
    """Calls in the manner of glm47 and longcat."""

    def pair(name: str, text: str) -> str:
        return f"<{key}>{name}</{key}><{value}>{text}</{value}>"

    return f"get_weather{pair('city', 'Paris')}", f"forecast\n{pair('city', 'New York')}{pair('days', '3')}"


GLM = xml("arg_key", "arg_value")
LONGCAT = xml("longcat_arg_key", "longcat_arg_value")
SAMPLES: dict[str, Sample] = {
    "json_tools": wrapped(
        "<tool_call>", "</tool_call>",
        '\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n',
        '{"name": "forecast", "arguments": {"city": "New York", "days": 3}}',
        '{"name": "get_weather", "arguments": {"city": "Paris"}', "", "nothing", '{"arguments": {}}',
        '{"name": "get_weather", "arguments": {"x": NaN}}', "[" * 50_000,
    ),
    "glm47": wrapped(
        "<tool_call>", "</tool_call>", *GLM,
        "get_weather<arg_key>city</arg_key><arg_value>Paris", "get_weather please, in Paris", "hello world",
        "get_weather<arg_key>city</arg_key>", "get_weather<arg_key>city<arg_value>Paris</arg_value>",
    ),
    "longcat": wrapped(
        "<longcat_tool_call>", "</longcat_tool_call>", *LONGCAT,
        "get_weather", "get_weather<longcat_arg_key>city</longcat_arg_key>", "nothing at all",
        "get_weather<longcat_arg_key>city</longcat_arg_key><longcat_arg_value>Par",
    ),
    "kimi_k2": wrapped(
        "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>",
        '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Paris"}'
        "<|tool_call_end|>",
        "<|tool_call_begin|>functions.forecast:1<|tool_call_argument_begin|>"
        '{"city": "New York", "days": 3}<|tool_call_end|>',
        '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Pa<|tool_call_end|>',
        "<|tool_call_begin|>functions.get_weather:0<|tool_call_end|>", "get_weather",
        '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Paris"}'
        "<|tool_call_end|><|tool_call_begin|>functions.forecast:1",
        between="", in_one_block=True,
    ),
    "kimi_k3": wrapped(
        "<|open|>tools<|sep|>", "<|close|>tools<|sep|>",
        '<|open|>call tool="get_weather" index="1"<|sep|><|open|>argument key="city" type="string"<|sep|>'
        "Paris<|close|>argument<|sep|><|close|>call<|sep|>",
        '<|open|>call tool="forecast" index="2"<|sep|><|open|>json type="object"<|sep|>'
        '{"city": "New York", "days": 3}<|close|>json<|sep|><|close|>call<|sep|>',
        '<|open|>call tool="get_weather"<|sep|><|open|>argument key="city"<|sep|>Paris<|close|>call<|sep|>',
        '<|open|>call index="1"<|sep|><|close|>call<|sep|>', "words",
        '<|open|>call tool="get_weather"<|sep|><|open|>json<|sep|>{"a<|close|>json<|sep|>'
        "<|close|>call<|sep|>",
        '<|open|>call tool="get_weather"<|sep|><|close|>call<|sep|><|open|>call tool="forecast"<|sep|>',
        between="", in_one_block=True,
    ),
    "minicpm5": wrapped(
        "<function name=", "</function>",
        '"get_weather"><param name="city">Paris</param>',
        '"forecast"><param name="city">New York</param><param name="days">3</param>',
        '"get_weather"><param name="city">Paris', "", '"get_weather', "> <",
    ),
    "minimax_m2": wrapped(
        "<minimax:tool_call>", "</minimax:tool_call>",
        '<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n</invoke>',
        '<invoke name="forecast"><parameter name="city">New York</parameter><parameter name="days">3'
        "</parameter></invoke>",
        '<invoke name="get_weather"><parameter name="city">Paris</invoke>', '<invoke name="get_weather">',
        "none", '<invoke name="get_weather"></invoke><invoke name="forecast">',
        between="\n", in_one_block=True,
    ),
    "muse_spark": wrapped(
        "<atem:function_calls>", "</atem:function_calls>",
        '<atem:invoke name="get_weather"><atem:parameter name="city" string="true">Paris</atem:parameter>'
        "</atem:invoke>",
        '<atem:invoke name="forecast"><atem:parameter name="city">New York</atem:parameter>'
        '<atem:parameter name="days">3</atem:parameter></atem:invoke>',
        '<atem:invoke name="get_weather"><atem:parameter name="city">Paris</atem:invoke>',
        '<atem:invoke name="get_weather">', "none", '<atem:invoke name="get_weather',
        between="", in_one_block=True,
    ),
    "qwen3_coder": wrapped(
        "<tool_call>", "</tool_call>",
        "\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>",
        "<function=forecast><parameter=city>New York</parameter><parameter=days>3</parameter></function>",
        "<function=get_weather><parameter=city>Paris</function>", "<function=get_weather>", "none",
        "<function=forecast><parameter=days>some</parameter></function>",
    ),
    "mistral": wrapped(
        "[TOOL_CALLS]", "",
        'get_weather[ARGS]{"city": "Paris"}', 'forecast[ARGS]{"city": "New York", "days": 3}',
        'get_weather[ARGS]{"city": "Par', '[{"name": "get_weather", "arguments": [1]}]', "none", "",
        '[{"name": "get_weather", "arguments": {}}, {"name": 5}]',
        'get_weather[ARGS]{"city": "Paris"} Then I will see.', 'Now get_weather[ARGS]{"city": "Paris"}',
        'get_weather[ARGS]{"city": "Paris"}, forecast[ARGS]{"days": 3}',
        '[now] get_weather[ARGS]{"city": "Paris"}',
    ),
    "gemma4": wrapped(
        "<|tool_call>", "<tool_call|>",
        'call:get_weather{city:<|"|>Paris<|"|>}', 'call:forecast{city:<|"|>New York<|"|>,days:3}',
        'call:get_weather{city:<|"|>Paris', "call:get_weather", "none", "call:get_weather{city}",
        'call:get_weather{city:<|"|>Paris<|"|>}call:forecast{days:',
    ),
    "function_gemma": wrapped(
        "<start_function_call>", "<end_function_call>",
        "call:get_weather{city:<escape>Paris<escape>}", "call:forecast{city:<escape>New York<escape>,days:3}",
        "call:get_weather{city:<escape>Paris}", "call:get_weather{city", "none", "call:get_weather{a:{b:1}}",
        "call:get_weather{}call:forecast{days:3}", "call:get_weather{city}",
    ),
    "pythonic": wrapped(
        "<|tool_call_start|>", "<|tool_call_end|>",
        '[get_weather(city="Paris")]', '[forecast(city="New York", days=3)]',
        '[get_weather(city="Paris)]', "[get_weather(city=", "none", "[]", "[" * 50_000,
        "[get_weather(" + "-" * 5_000 + "1)]",
    ),
}  # fmt: skip
SAMPLES["laguna"] = SAMPLES["glm47"]


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextFormat]:
    directory = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(directory)
    (directory / "config.json").write_text('{"model_type": "llama"}')
    return {name: text_format(load_tokenizer(directory, {"tool_parser_type": name})) for name in SAMPLES}


def read(text_format: TextFormat, text: str, size: int = 0, *, complete: bool = True) -> list[Part]:
    machine = TextMachine(text_format, NORMAL, TOOLS)
    size = size or len(text)
    parts = [part for at in range(0, len(text), size) for part in machine.feed(text[at : at + size])]
    return parts + machine.flush(complete=complete)


def calls_of(parts: list[Part]) -> list[tuple[str, Any]]:
    return [(part.name, json.loads(part.arguments)) for part in parts if isinstance(part, ToolCall)]


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if not isinstance(part, ToolCall))


def test_every_parser_has_a_sample() -> None:
    assert {module.name for module in pkgutil.iter_modules(mlx_lm.tool_parsers.__path__)} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_good_call_is_a_call(formats: dict[str, TextFormat], name: str, size: int) -> None:
    sample = SAMPLES[name]
    for body, call in zip((sample.first, sample.second), GOOD, strict=True):
        parts = read(formats[name], f"Let me see. {sample.start}{body}{sample.end}", size)
        assert calls_of(parts) == [call] and text_of(parts) == "Let me see. "


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("size", [0, 3])
def test_several_calls_in_a_row_are_all_there_with_ids_of_their_own(
    formats: dict[str, TextFormat], name: str, size: int
) -> None:
    sample = SAMPLES[name]
    blocks = [sample.first + sample.second] if sample.in_one_block or not sample.end else []
    if sample.end:
        blocks.append(f"{sample.first}{sample.end}{sample.between}{sample.start}{sample.second}")
    for block in blocks:
        parts = read(formats[name], f"{sample.start}{block}{sample.end}", size)
        calls = [part for part in parts if isinstance(part, ToolCall)]
        assert calls_of(parts) == GOOD and text_of(parts) == ""
        assert [call.index for call in calls] == [0, 1] and len({call.id for call in calls}) == 2
    twice = f"{sample.start}{sample.first}{sample.end}" * 2
    if sample.end:  # also when the model gives both calls the same id
        calls = [part for part in read(formats[name], twice, size) if isinstance(part, ToolCall)]
        assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("name", SAMPLES)
def test_a_malformed_call_is_text(formats: dict[str, TextFormat], name: str) -> None:
    sample = SAMPLES[name]
    for body in sample.malformed:
        text = f"Look: {sample.start}{body}{sample.end} so."
        if not sample.end:
            text = text.removesuffix(" so.")
        for size in (0, 1 if len(text) < 1000 else 997):
            assert whole(read(formats[name], text, size)) == [("text", text)], body[:100]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_cut_call_is_text_wherever_it_is_cut(formats: dict[str, TextFormat], name: str) -> None:
    """By the limit of tokens, or by a model that ends its answer in the middle of a call."""
    sample = SAMPLES[name]
    text = f"{sample.start}{sample.second}{sample.end}"
    for length in range(1, len(text)):
        cut = text[:length]
        assert whole(read(formats[name], cut, 4, complete=False)) == [("text", cut)]
        assert whole(read(formats[name], cut, 4)) == [("text", cut)]
    if not sample.end:  # without an end marker only the end of the answer completes a call
        assert whole(read(formats[name], text, complete=False)) == [("text", text)]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_call_of_an_unknown_tool_is_text(formats: dict[str, TextFormat], name: str) -> None:
    sample = SAMPLES[name]
    text = f"{sample.start}{sample.first.replace('get_weather', 'format_disk')}{sample.end}"
    assert whole(read(formats[name], text)) == [("text", text)]
    assert whole(read(formats[name], text, 2)) == [("text", text)]


@pytest.mark.parametrize("name", SAMPLES)
def test_parsers_bear_tools_with_odd_schemas(formats: dict[str, TextFormat], name: str) -> None:
    sample = SAMPLES[name]
    odd: list[dict[str, Any]] = [
        {"name": "get_weather"},
        {"name": "get_weather", "parameters": None},
        {"name": "get_weather", "parameters": {"properties": None}},
        {"name": "get_weather", "parameters": {"properties": {"city": None, "x": []}}},
        {"name": "get_weather", "parameters": {"properties": {"city": {"type": ["string", "null"]}}}},
    ]
    for function in odd:
        machine = TextMachine(formats[name], NORMAL, [{"type": "function", "function": function}])
        parts = machine.feed(f"{sample.start}{sample.first}{sample.end}") + machine.flush(complete=True)
        assert calls_of(parts) == GOOD[:1]


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize("between", ["", " \n", "[TOOL_CALLS]", "\n[TOOL_CALLS] "])
def test_mistral_separates_calls_by_blanks_and_markers(
    formats: dict[str, TextFormat], size: int, between: str
) -> None:
    sample = SAMPLES["mistral"]
    text = f"{sample.start}{sample.first}{between}{sample.second}{between}"
    parts = read(formats["mistral"], text, size)
    assert calls_of(parts) == GOOD and text_of(parts) == ""


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("'5\" pipe'", '5" pipe'), (r'"a \" b"', 'a " b'), ("'\"'", '"'), ("'a'", "a"),
        # With names of JSON it is valid Python all the same.
        ("['\"', true]", ['"', True]),
    ],
)  # fmt: skip
def test_quotes_in_pythonic_strings_are_part_of_them(
    formats: dict[str, TextFormat], argument: str, value: Any
) -> None:
    sample = SAMPLES["pythonic"]
    text = f"{sample.start}[get_weather(city={argument})]{sample.end}"
    assert calls_of(read(formats["pythonic"], text)) == [("get_weather", {"city": value})]


def test_mistral_ids_have_the_length_its_templates_insist_on(formats: dict[str, TextFormat]) -> None:
    (call,) = read(formats["mistral"], '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}')
    assert isinstance(call, ToolCall) and len(call.id) == 9 and call.id.isalnum()


def test_kimi_keeps_the_ids_of_the_model(formats: dict[str, TextFormat]) -> None:
    sample = SAMPLES["kimi_k2"]
    (call,) = read(formats["kimi_k2"], f"{sample.start}{sample.first}{sample.end}")
    assert isinstance(call, ToolCall) and call.id == "functions.get_weather:0"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("null", {}), ('"{\\"city\\": \\"Rome\\"}"', {"city": "Rome"}), ('{"a": "\\ud800"}', {"a": "\ud800"}),
        ('{"city": "K\\u00f6ln"}', {"city": "Köln"}),
    ],
)  # fmt: skip
def test_arguments_come_in_many_forms(formats: dict[str, TextFormat], arguments: str, expected: Any) -> None:
    text = f'<tool_call>{{"name": "get_weather", "arguments": {arguments}}}</tool_call>'
    (call,) = read(formats["json_tools"], text)
    assert isinstance(call, ToolCall) and json.loads(call.arguments) == expected
    call.arguments.encode()


def test_llama_calls_arguments_parameters(formats: dict[str, TextFormat]) -> None:
    text = '<tool_call>{"name": "get_weather", "parameters": {"city": "Paris"}}</tool_call>'
    assert calls_of(read(formats["json_tools"], text)) == GOOD[:1]
