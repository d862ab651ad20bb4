"""Prompts that cannot fit are refused before they are tokenised, whichever of their texts is the long one."""

from typing import Any

import pytest

from lmx_worker.engine.interface import ModelFacts
from lmx_worker.failure import RequestFailure
from lmx_worker.prompt.prompt_size import FEW_CHARACTERS, MOST_LEVELS, MOST_VALUES, check_size
from lmx_worker.wire.commands import FillPrompt, MessagesPrompt, Prompt, TextPrompt, TokenPrompt

CONTEXT_TOKENS = 100
TOKEN_BYTES = 4
FACTS = ModelFacts("fake", CONTEXT_TOKENS, 256, (0,), None, False)


def conversation(message: dict[str, Any], *tools: dict[str, Any]) -> MessagesPrompt:
    return MessagesPrompt(({"role": "user", "content": "hi"}, message), tools, {})


def of_assistant(**texts: Any) -> MessagesPrompt:
    return conversation({"role": "assistant", "content": "", **texts})


def calling(arguments: str = "", name: str = "f", call_id: str = "1") -> MessagesPrompt:
    function = {"name": name, "arguments": arguments}
    return of_assistant(tool_calls=[{"id": call_id, "type": "function", "function": function}])


def with_tool(description: str) -> MessagesPrompt:
    tool = {"type": "function", "function": {"name": "f", "description": description}}
    return conversation({"role": "user", "content": "hi"}, tool)


def with_arguments(**arguments: Any) -> MessagesPrompt:
    return MessagesPrompt(({"role": "user", "content": "hi"},), (), arguments)


def refusal(prompt: Prompt, facts: ModelFacts = FACTS) -> RequestFailure:
    with pytest.raises(RequestFailure) as info:
        check_size(prompt, TOKEN_BYTES, facts)
    return info.value


@pytest.mark.parametrize(
    "prompt_of",
    [
        TextPrompt,
        lambda text: FillPrompt("", text),
        lambda text: of_assistant(content=text),
        lambda text: of_assistant(reasoning_content=text),
        lambda text: of_assistant(name=text),
        lambda text: of_assistant(tool_call_id=text),
        calling,
        lambda text: calling(name=text),
        lambda text: calling(call_id=text),
        with_tool,
        lambda text: with_arguments(zz=text),
        lambda text: with_arguments(zz=[{"yy": [text]}]),
        lambda text: with_arguments(**{text: 1}),
        lambda text: with_arguments(zz=[{text: 1}]),
    ],
)
def test_every_text_of_a_prompt_counts(prompt_of: Any) -> None:
    check_size(prompt_of("x" * 100), TOKEN_BYTES, FACTS)
    with pytest.raises(RequestFailure) as info:
        check_size(prompt_of("x" * CONTEXT_TOKENS * TOKEN_BYTES), TOKEN_BYTES, FACTS)
    assert info.value.word == "context_length_exceeded"


def test_ids_are_counted_when_they_are_checked() -> None:
    prompt: Prompt = TokenPrompt((7,) * 1000)
    check_size(prompt, TOKEN_BYTES, FACTS)


def test_turns_count_also_when_they_say_nothing() -> None:
    empty = {"role": "user", "content": ""}
    check_size(MessagesPrompt((empty,) * 50, (), {}), TOKEN_BYTES, FACTS)
    failure = refusal(MessagesPrompt((empty,) * CONTEXT_TOKENS, (), {}))
    assert (failure.word, failure.data["param"]) == ("context_length_exceeded", "prompt")
    assert failure.message.startswith("This model's maximum context length is 100 tokens, ")
    assert "100 messages" in failure.message


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (with_arguments(date_string="x" * 1000), "chat_template_kwargs"),
        (with_tool("x" * 1000), "tools"),
        (of_assistant(content="x" * 1000), "prompt"),
    ],
)
def test_a_refusal_names_the_member_that_is_largest(prompt: Prompt, param: str) -> None:
    assert refusal(prompt).data["param"] == param


LONG_CONTEXT = ModelFacts("fake", 10**9, 256, (0,), None, False)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [[0] * MOST_VALUES, [{}] * MOST_VALUES, {str(i): 0 for i in range(MOST_VALUES)}, nested(10**5)]
)
def test_values_and_levels_are_limited_whatever_the_context(value: Any) -> None:
    failure = refusal(with_arguments(zz=value), LONG_CONTEXT)
    assert (failure.word, failure.data["param"]) == ("invalid_request_error", "chat_template_kwargs")
    tool = {"type": "function", "function": {"name": "f", "parameters": {"zz": value}}}
    prompt = conversation({"role": "user", "content": "hi"}, tool)
    assert refusal(prompt, LONG_CONTEXT).data["param"] == "tools"


def test_as_many_values_and_levels_as_there_may_be_are_taken() -> None:
    check_size(with_arguments(zz=[0] * (MOST_VALUES - 2)), TOKEN_BYTES, LONG_CONTEXT)
    check_size(with_arguments(zz=nested(MOST_LEVELS - 2)), TOKEN_BYTES, LONG_CONTEXT)


def test_a_long_text_of_longest_tokens_is_refused_though_it_might_fit() -> None:
    """A vocabulary with a token of a hundred blanks says little about a text of megabytes."""
    facts = ModelFacts("fake", 8192, 256, (0,), None, False)
    check_size(TextPrompt(" " * FEW_CHARACTERS), 1000, facts)
    with pytest.raises(RequestFailure, match="1048577 characters, of which at most 1048576 fit"):
        check_size(TextPrompt(" " * (FEW_CHARACTERS + 1)), 1000, facts)
