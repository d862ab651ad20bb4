"""Rows of one step as lines: one line, unless much that was held back comes at once."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

# What a line may hold, so that it stays far below the protocol's limit: tokens with their alternatives (about
# 2 KiB each, more in odd vocabularies), and characters of text (at most 6 bytes each as JSON).
MAX_REPORTED_TOKENS = 256
MAX_CHARACTERS = 500_000


def step_lines(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Every row once, its events in order; what does not fit goes on in further rows without token ids."""
    if sum(map(_weight, rows)) <= 1:
        return [rows] if rows else []
    lines: list[list[dict[str, Any]]] = []
    room = 0.0
    for row in chain.from_iterable(map(_split, rows)):
        weight = _weight(row)
        if not lines or weight > room:
            lines.append([])
            room = 1.0
        lines[-1].append(row)
        room -= weight
    return lines


def _split(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row in parts that each fit a line."""
    tokens, position = row["token_ids"], row["position"]
    events: list[dict[str, Any]] = []
    room = 1.0
    for event in chain.from_iterable(map(_split_event, row["events"])):
        weight = _event_weight(event)
        if events and weight > room:
            yield {**row, "position": position, "token_ids": tokens, "events": events}
            tokens, position, events, room = [], row["position"] + len(row["token_ids"]), [], 1.0
        events.append(event)
        room -= weight
    yield {**row, "position": position, "token_ids": tokens, "events": events}


def _split_event(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if _event_weight(event) <= 1 or event["type"] == "tool_call":
        yield event
        return
    text, reported = event["text"], event.get("logprobs", [])
    while text or reported:
        part = {**event, "text": text[:MAX_CHARACTERS]}
        if "logprobs" in event:
            part["logprobs"] = reported[:MAX_REPORTED_TOKENS]
            # The text goes with the first part as far as it fits; order within the answer is what counts.
        text, reported = text[MAX_CHARACTERS:], reported[MAX_REPORTED_TOKENS:]
        yield part


def _weight(row: dict[str, Any]) -> float:
    return sum(map(_event_weight, row["events"]))


def _event_weight(event: dict[str, Any]) -> float:
    """Part of a line that an event takes."""
    characters = len(event.get("text", "")) + len(event.get("arguments", ""))
    return max(characters / MAX_CHARACTERS, len(event.get("logprobs", ())) / MAX_REPORTED_TOKENS)
