"""One conversation in the forms that chat templates insist on, the one the client sent first."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby, takewhile
from typing import Any

from lmx_worker.output.tool_calls import ID_CHARACTERS

Message = dict[str, Any]


def template_forms(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Forms to be tried in this order; a template that takes the first never sees another.

    Templates of whole families (Qwen, Gemma, Mistral) accept a system message at the beginning alone, and
    want user and assistant to alternate.
    """
    plain = list(messages)
    yield from _argument_forms(plain)
    alternating = _alternating(plain)
    if alternating != plain:
        yield from _argument_forms(alternating)


def tool_forms(tools: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """As the client sent them first; then each with a description, which gpt-oss's template joins to text."""
    yield list(tools)
    if any("description" not in tool["function"] for tool in tools):
        yield [{**tool, "function": {"description": "", **tool["function"]}} for tool in tools]


def _argument_forms(messages: list[Message]) -> Iterator[list[Message]]:
    """Most templates index the arguments of earlier calls or serialise them; some join them to other text."""
    yield [_with_parsed_arguments(message) for message in messages]
    if any("tool_calls" in message for message in messages):
        yield messages


def _alternating(messages: Sequence[Message]) -> list[Message]:
    """Neighbouring user turns as one, and system messages at the beginning; later ones are the user's."""
    leading = sum(1 for _ in takewhile(lambda message: message["role"] == "system", messages))
    turns = [
        {**message, "role": "user"} if message["role"] == "system" and index >= leading else message
        for index, message in enumerate(messages)
    ]
    joined: list[Message] = []
    for role, group in groupby(turns, key=lambda message: message["role"]):
        first, *others = group
        if role in ("system", "user") and others:
            first = {**first, "content": "\n\n".join(turn["content"] for turn in (first, *others))}
            others = []
        joined += (first, *others)
    return joined


def with_call_ids(messages: Sequence[Message], length: int) -> tuple[Message, ...]:
    """Ids of calls as this many letters and digits, which the templates of Mistral insist on.

    An id of another form, from another model or a client, becomes a part of its hash, so that a call and its
    result still have the same one, in every turn.
    """
    return tuple(_with_call_ids(message, length) for message in messages)


def _with_call_ids(message: Message, length: int) -> Message:
    changed = dict(message)
    if "tool_call_id" in message:
        changed["tool_call_id"] = _call_id(message["tool_call_id"], length)
    if "tool_calls" in message:
        changed["tool_calls"] = [
            {**call, "id": _call_id(call["id"], length)} for call in message["tool_calls"]
        ]
    return changed


def _call_id(call_id: str, length: int) -> str:
    if len(call_id) == length and call_id.isascii() and call_id.isalnum():
        return call_id
    number = int.from_bytes(sha256(call_id.encode("utf-8", "surrogatepass")).digest())
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ID_CHARACTERS))
        digits.append(ID_CHARACTERS[digit])
    return "".join(digits)


def with_thinking(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Earlier reasoning under the name that templates of gpt-oss read it by.

    Beside a call they show one of content and thinking, and refuse both: there the two are one.
    """
    return tuple(_with_thinking(message) for message in messages)


def _with_thinking(message: Message) -> Message:
    reasoning = message.get("reasoning_content")
    if not reasoning:
        return message
    if message.get("tool_calls") and message["content"]:
        return {**message, "thinking": f"{reasoning}\n\n{message['content']}", "content": ""}
    return {**message, "thinking": reasoning}


def _with_parsed_arguments(message: Message) -> Message:
    """Arguments that are no JSON object stay text."""
    if "tool_calls" not in message:
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": _parsed(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _parsed(arguments: str) -> Any:
    try:
        parsed = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return arguments
    return parsed if isinstance(parsed, dict) else arguments
