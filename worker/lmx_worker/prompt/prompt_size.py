"""How much a prompt is, and whether it can fit, before anything of it is rendered or tokenised.

Many clients shorten a conversation and try again only when they read "This model's maximum context length
is": the words are part of the interface.
"""

import json
from collections.abc import Iterator
from typing import Any

from lmx_worker.engine.interface import ModelFacts
from lmx_worker.failure import RequestFailure
from lmx_worker.wire.commands import FillPrompt, MessagesPrompt, Prompt, TextPrompt, TokenPrompt

SHORTEN = "shorten the messages or the prompt"

# One of a vocabulary's longest tokens (a hundred blanks) says little about a text of many. More characters
# for each token of the context than any text has are not tokenised, unless all of them are few: it takes a
# second for one or two million, and every other prompt waits meanwhile.
MOST_CHARACTERS_PER_TOKEN = 16
FEW_CHARACTERS = 1024 * 1024
# Objects, lists, texts and numbers in `tools`, and as many in `chat_template_kwargs`.
MOST_VALUES = 100_000
# Below the depth at which walking them in Python fails.
MOST_LEVELS = 64


def check_size(prompt: Prompt, longest_token_bytes: int, facts: ModelFacts) -> None:
    """Refuse a prompt that cannot fit however it is rendered and tokenised: doing it takes minutes.

    Raises:
        RequestFailure: context_length_exceeded, or invalid_request_error for more values than are looked at.
    """
    match prompt:
        case MessagesPrompt():
            _check_conversation(prompt, longest_token_bytes, facts)
        case TextPrompt(text):
            _check_characters(len(text), "prompt", longest_token_bytes, facts)
        case FillPrompt(prefix, suffix):
            _check_characters(len(prefix) + len(suffix), "prompt", longest_token_bytes, facts)
        case TokenPrompt():
            pass


def most_characters(longest_token_bytes: int, facts: ModelFacts) -> int:
    """Characters a text may have to be tokenised: no text has fewer tokens than its length divided by the
    length of the vocabulary's longest token."""
    by_the_longest = facts.context_tokens * max(1, longest_token_bytes)
    return min(by_the_longest, max(FEW_CHARACTERS, facts.context_tokens * MOST_CHARACTERS_PER_TOKEN))


def context_exceeded(found: str, facts: ModelFacts, param: str = "prompt", **data: int) -> RequestFailure:
    """The refusal of a prompt that is too long; `found` says what it has."""
    return RequestFailure(
        "context_length_exceeded",
        f"This model's maximum context length is {facts.context_tokens} tokens, and the prompt has {found}. "
        f"Please {SHORTEN}.",
        param=param,
        **data,
        context_tokens=facts.context_tokens,
    )


def _check_conversation(prompt: MessagesPrompt, longest_token_bytes: int, facts: ModelFacts) -> None:
    """A template that leaves some of it out still has to read all, and writes something for each turn."""
    sizes = {
        "prompt": sum(map(len, _texts(prompt))),
        "tools": _size(prompt.tools, "tools"),
        "chat_template_kwargs": _size(prompt.chat_template_kwargs, "chat_template_kwargs"),
    }
    turns = len(prompt.messages)
    if turns >= facts.context_tokens:
        raise context_exceeded(f"{turns} messages", facts)
    largest = max(sizes, key=lambda name: sizes[name])
    _check_characters(sum(sizes.values()), largest, longest_token_bytes, facts)


def _texts(prompt: MessagesPrompt) -> Iterator[str]:
    for message in prompt.messages:
        for name in ("role", "content", "name", "reasoning_content", "tool_call_id"):
            yield message.get(name, "")
        for call in message.get("tool_calls", ()):
            yield from (call["id"], call["type"], call["function"]["name"], call["function"]["arguments"])


def _size(value: Any, param: str) -> int:
    """Characters of a JSON value as text, keys and all, unless it is too many values or too deep."""
    _check_values(value, param)
    return len(json.dumps(value, ensure_ascii=False)) if value else 0


def _check_values(value: Any, param: str) -> None:
    """Level by level, which needs no stack, and stops at the limit."""
    level, values = [value], 0
    for _ in range(MOST_LEVELS):
        values += len(level)
        if values > MOST_VALUES:
            raise _too_many(f"at most {MOST_VALUES} values", param)
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise _too_many(f"at most {MOST_LEVELS} levels of nesting", param)


def _children(value: Any) -> Any:
    match value:
        case dict():
            return value.values()
        case list() | tuple():
            return value
        case _:
            return ()


def _too_many(expected: str, param: str) -> RequestFailure:
    message = f"Expected {expected} in {param}, got more; send less."
    return RequestFailure("invalid_request_error", message, param=param)


def _check_characters(characters: int, param: str, longest_token_bytes: int, facts: ModelFacts) -> None:
    at_least = characters // max(1, longest_token_bytes)
    if at_least >= facts.context_tokens:
        raise context_exceeded(f"at least {at_least} tokens", facts, param, prompt_tokens=at_least)
    most = most_characters(longest_token_bytes, facts)
    if characters > most:
        raise context_exceeded(f"{characters} characters, of which at most {most} fit", facts, param)
