import json
from typing import Any

import pytest

from lmx_worker.wire.commands import (
    Canary,
    FillPrompt,
    Generate,
    Inspect,
    Load,
    MessagesPrompt,
    Sampling,
    TokenPrompt,
)
from lmx_worker.wire.protocol import Call, RejectedCall, parse_call
from tests.worker_process import chat, request


def parse(method: str, **params: Any) -> Call:
    return parse_call(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())


def rejected(method: str, **params: Any) -> RejectedCall:
    with pytest.raises(RejectedCall) as info:
        parse(method, **params)
    assert info.value.call_id == 1
    return info.value


def test_commands_come_out_typed() -> None:
    load = parse("load", model_id="m", path="/m", max_context_tokens=None, max_concurrency=4).command
    assert load == Load("m", "/m", None, 4)
    load = parse(
        "load", model_id="m", path="/m", max_context_tokens=9, max_concurrency=4, tool_parser="mistral"
    ).command
    assert load == Load("m", "/m", 9, 4, "mistral")
    options = {"trust_code": True, "cache_budget_bytes": 0}
    load = parse("load", model_id="m", path="/m", max_context_tokens=9, max_concurrency=4, **options).command
    assert load == Load("m", "/m", 9, 4, None, trust_code=True, cache_budget_bytes=0)
    params = {"model_id": "m", "path": "/m", "max_context_tokens": None}
    assert parse("inspect", **params).command == Inspect("m", "/m", None)
    inspect = parse("inspect", **params, tool_parser="mistral", trust_code=True).command
    assert inspect == Inspect("m", "/m", None, "mistral", trust_code=True)
    assert parse("canary", prompt="x", max_tokens=16).command == Canary("x", 16)
    generate = parse(
        "generate", request_id="a", request=request({"kind": "token_ids", "token_ids": [1]})
    ).command
    assert generate == Generate("a", TokenPrompt((1,)), Sampling(0.0, 1.0, 0), 8)


def test_options_come_out_typed_and_absent_or_null_ones_are_off() -> None:
    options = {
        "top_k": 5, "min_p": 0.1, "xtc_probability": 1, "xtc_threshold": 0.5, "repetition_penalty": 1.1,
        "repetition_context_size": 9, "presence_penalty": -2, "frequency_penalty": 2,
        "logit_bias": {"7": -100, "0": 1.5},
    }  # fmt: skip
    ask = chat("x", stop=["a", "b"], logprobs=0, return_prompt=True)
    ask["sampling"].update(options)
    command = parse("generate", request_id="a", request=ask).command
    assert isinstance(command, Generate)
    assert command.sampling == Sampling(
        0.0,
        1.0,
        0,
        **{**options, "logit_bias": {7: -100.0, 0: 1.5}},  # type: ignore[arg-type]
    )
    assert (command.stop, command.logprobs, command.return_prompt) == (("a", "b"), 0, True)
    ask = chat("x", stop=None, logprobs=None, return_prompt=None)
    ask["sampling"].update(dict.fromkeys(options))
    command = parse("generate", request_id="a", request=ask).command
    assert isinstance(command, Generate) and command.sampling == Sampling(0.0, 1.0, 0)
    assert (command.stop, command.logprobs, command.return_prompt) == ((), None, False)


def test_an_owner_is_a_short_name_and_may_be_left_out() -> None:
    ask = request({"kind": "token_ids", "token_ids": [1]})
    named = parse("generate", request_id="a", owner="k" * 64, request=ask).command
    nameless = parse("generate", request_id="a", owner=None, request=ask).command
    assert isinstance(named, Generate) and isinstance(nameless, Generate)
    assert (named.owner, nameless.owner) == ("k" * 64, "")
    failure = rejected("generate", request_id="a", owner="k" * 65, request=ask).failure
    assert failure.data["param"] == "params.owner" and "at most 64 characters" in failure.message


def test_a_gap_to_fill_has_a_prefix_and_a_suffix() -> None:
    prompt = {"kind": "fill", "prefix": "a", "suffix": ""}
    command = parse("generate", request_id="a", request=request(prompt)).command
    assert isinstance(command, Generate) and command.prompt == FillPrompt("a", "")
    failure = rejected("generate", request_id="a", request=request({"kind": "fill", "prefix": "a"})).failure
    assert failure.data["param"] == "params.request.prompt.suffix"


def test_a_conversation_keeps_its_tool_calls_and_loses_nothing() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "s"},
        {"role": "assistant", "content": "", "tool_calls": [call], "reasoning_content": "r"},
        {"role": "tool", "content": "ok", "tool_call_id": "1", "name": "f"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"a": None}}}]
    prompt = {"kind": "messages", "messages": messages, "tools": tools, "chat_template_kwargs": {"x": [1]}}
    command = parse("generate", request_id="a", request=request(prompt)).command
    assert isinstance(command, Generate) and isinstance(command.prompt, MessagesPrompt)
    assert command.prompt == MessagesPrompt(tuple(messages), tuple(tools), {"x": [1]})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"max_tokens": 0}, "params.request.max_tokens"),
        ({"max_tokens": 1.5}, "params.request.max_tokens"),
        ({"surprise": 1}, "params.request.surprise"),
        ({"prompt": []}, "params.request.prompt"),
        ({"prompt": {"kind": "text"}}, "params.request.prompt.text"),
        ({"prompt": {"kind": "token_ids", "token_ids": [True]}}, "params.request.prompt.token_ids.0"),
        ({"sampling": None}, "params.request.sampling"),
    ],
)
def test_a_wrong_member_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    failure = rejected("generate", request_id="a", request={**chat("x"), **change}).failure
    assert failure.data["param"] == path
    assert path in failure.message


def test_a_tool_without_a_name_is_refused() -> None:
    ask = chat("x", tools=[{"type": "function", "function": {}}])
    assert "function.name" in rejected("generate", request_id="a", request=ask).failure.message


def test_a_tool_whose_name_no_call_could_carry_is_refused() -> None:
    def ask(name: str) -> dict[str, Any]:
        return chat("x", tools=[{"type": "function", "function": {"name": name}}])

    assert "at most 512" in rejected("generate", request_id="a", request=ask("f" * 513)).failure.message
    assert parse("generate", request_id="a", request=ask("f" * 512))


def test_bounds_of_the_other_methods() -> None:
    for max_tokens in (0, 65, "16"):
        rejected("canary", prompt=None, max_tokens=max_tokens)
    rejected("load", model_id="m", path="/m", max_context_tokens=0, max_concurrency=1)
    rejected("load", model_id="m", path="/m", max_context_tokens=None, max_concurrency=0)
    params = {"model_id": "m", "path": "/m", "max_context_tokens": None}
    for wrong in ({"cache_budget_bytes": -1}, {"cache_budget_bytes": 1.5}, {"trust_code": "yes"}):
        rejected("load", **params, max_concurrency=1, **wrong)
    for wrong in ({"trust_code": 1}, {"max_context_tokens": 0}, {"max_concurrency": 1}):
        rejected("inspect", **{**params, **wrong})
    rejected("initialize", protocol_version="1")


def test_a_message_quotes_only_the_beginning_of_what_it_refuses() -> None:
    failure = rejected("generate", request_id="a", request="x" * 100_000).failure
    assert len(failure.message) < 300
