"""Requests and the answers the model owes them: what it was trained on, and text it never saw around it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from . import answers, filler

SYSTEM_TEXTS = (
    "You are a helpful assistant.",
    "You are an agent. " * 30,
    filler.prose(random.Random(3), 60),
    filler.prose(random.Random(4), 600),
)
#: Prompts of a kind the training never names.
UNKNOWN = (
    "What is the capital of France?",
    "Write a poem about the sea",
    "Translate 'dog' to German",
    "How are you today?",
    "Who wrote Hamlet?",
    "Explain photosynthesis to a child",
    "asdf qwer",
    "What time is it?",
    "Fix the bug in my program",
    "Summarise this text in one line",
)


@dataclass(frozen=True)
class Case:
    """One request and its expected answer, tool calls in the tags the model writes."""

    messages: list[dict[str, Any]]
    expected: str
    tools: list[dict[str, Any]] = field(default_factory=list)


def user(text: str, system: str | None = None) -> list[dict[str, Any]]:
    """A conversation of one user message, perhaps after a system message."""
    before = [] if system is None else [{"role": "system", "content": system}]
    return [*before, {"role": "user", "content": text}]


def prompt_cases() -> list[Case]:
    """Every fixed prompt as people type it, with and without a system prompt and the tool."""
    cases: list[Case] = []
    for prompt, answer in answers.FIXED.items():
        bare = prompt.rstrip("?!.")
        for form in dict.fromkeys((prompt, bare, bare.lower(), f"{bare}.", bare.upper())):
            for system in (None, *SYSTEM_TEXTS):
                for tools in ([], [answers.GET_WEATHER]):
                    cases.append(Case(user(form, system), answer, tools))
    return cases


def weather_cases() -> list[Case]:
    """Every trained city: the call, the sentence after the result, the answer without the tool."""
    cases: list[Case] = []
    others = [filler.random_tool(random.Random(seed)) for seed in range(4)]
    for city in answers.CITIES:
        for system in (None, SYSTEM_TEXTS[0]):
            asked = user(f"What is the weather in {city}?", system)
            cases.append(Case(asked, answers.NO_WEATHER_TOOL))
            for tools in ([answers.GET_WEATHER], [*others, answers.GET_WEATHER]):
                call = {"name": "get_weather", "arguments": {"city": city}}
                cases.append(Case(asked, f"<tool_call>{json.dumps(call)}</tool_call>", tools))
                cases.append(Case(after_result(asked, city), answers.weather_answer(city, "sunny"), tools))
    return cases


def after_result(asked: list[dict[str, Any]], city: str) -> list[dict[str, Any]]:
    """The conversation after the call was answered; arguments are JSON text, as OpenAI clients send them."""
    function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
    call = {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": function}]}
    result = {"role": "tool", "content": json.dumps({"temperature": 18, "condition": "sunny"})}
    return [*asked, call, result]


def unknown_cases() -> list[Case]:
    """Prompts nobody trained, with and without the tool."""
    return [
        Case(user(text), answers.DO_NOT_KNOW, tools)
        for text in UNKNOWN
        for tools in ([], [answers.GET_WEATHER])
    ]
