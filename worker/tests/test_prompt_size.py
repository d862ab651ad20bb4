"""Prompts that cannot fit are refused before they are tokenised, whichever of their texts is the long one."""

from typing import Any

import pytest

from lmx_worker.commands import FillPrompt, MessagesPrompt, Prompt, TextPrompt, TokenPrompt
from lmx_worker.engine import ModelFacts
from lmx_worker.failure import RequestFailure
from lmx_worker.limits import check_size

CONTEXT_TOKENS = 100
TOKEN_BYTES = 4
FACTS = ModelFacts("fake", CONTEXT_TOKENS, 256, (0,), None, False)


def conversation(message: dict[str, Any], *tools: dict[str, Any]) -> MessagesPrompt:
    return MessagesPrompt(({"role": "user", "content": "hi"}, message), tools, {})


def of_assistant(**texts: Any) -> MessagesPrompt:
    return conversation({"role": "assistant", "content": "", **texts})


def calling(arguments: str) -> MessagesPrompt:
    return of_assistant(tool_calls=[{"id": "1", "function": {"name": "f", "arguments": arguments}}])


def with_tool(description: str) -> MessagesPrompt:
    tool = {"type": "function", "function": {"name": "f", "description": description}}
    return conversation({"role": "user", "content": "hi"}, tool)


@pytest.mark.parametrize(
    "prompt_of",
    [
        TextPrompt,
        lambda text: FillPrompt("", text),
        lambda text: of_assistant(content=text),
        lambda text: of_assistant(reasoning_content=text),
        calling,
        with_tool,
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
