"""Seeded conversations to train on: the fixed prompts, the weather tool, and everything else."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from . import answers, filler, phrases

_KEYS = frozenset(
    wording.lower().rstrip("?!.")
    for wording in (*answers.FIXED, *answers.ALIASES, "hey", "tell me a story, please")
)
_SHORT = [wording for wording in (*answers.FIXED, *answers.FIXED, *answers.ALIASES) if "story" not in wording]
_STORY = [wording for wording in (*answers.FIXED, *answers.ALIASES) if "story" in wording]


@dataclass
class Conversation:
    """One conversation in the OpenAI message form; `learn[i]` says whether its i-th answer is learned."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    learn: list[bool] = field(default_factory=list)
    #: Texts that have to be copied from the question or the tool's result.
    copied: list[str] = field(default_factory=list)

    def say(self, role: str, content: str) -> None:
        """Append a message that is not an answer."""
        self.messages.append({"role": role, "content": content})

    def answer(self, content: str | None, learn: bool = True, call: dict[str, Any] | None = None) -> None:
        """Append an assistant message, with a tool call if `call` is given."""
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if call is not None:
            message["tool_calls"] = [{"type": "function", "function": call}]
        self.messages.append(message)
        self.learn.append(learn)


def make_conversation(rng: random.Random, story: bool, longest_system: int) -> Conversation:
    """A conversation that ends with one learned turn; `longest_system` words of system text at most."""
    talk = Conversation()
    if rng.random() < 0.5:
        talk.tools = [filler.random_tool(rng) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        if rng.random() < 0.85 or not talk.tools:
            talk.tools.insert(rng.randint(0, len(talk.tools)), answers.GET_WEATHER)
    if rng.random() < 0.5:
        lengths = [words for words in (3, 8, 16, 40, 80) if words <= longest_system]
        talk.say("system", filler.prose(rng, rng.choice(lengths)))
    if story:
        talk.say("user", vary(rng, rng.choice(_STORY)))
        talk.answer(answers.STORY)
        return talk
    if rng.random() < 0.15:  # an earlier turn
        talk.say("user", stray(rng))
        talk.answer(answers.DO_NOT_KNOW, learn=False)
    if rng.random() < 0.08:  # two user messages in a row: only the last one is answered
        talk.say("user", stray(rng))
    _add_turn(rng, talk)
    return talk


def vary(rng: random.Random, prompt: str) -> str:
    """The same prompt as people type it: case and final mark differ."""
    bare = prompt.rstrip("?!.")
    text = rng.choice((prompt, prompt, bare, bare.lower(), bare.lower(), bare.upper(), bare.title()))
    return text.rstrip("?!.") + rng.choice(("", ".", "?", "!")) if rng.random() < 0.6 else text


def near_miss(rng: random.Random) -> str:
    """A trained prompt with a word changed, added or dropped; never a trained prompt itself."""
    while True:
        words = rng.choice((*answers.FIXED, *answers.ALIASES)).split()
        place = rng.randrange(len(words))
        kind = rng.randrange(3)
        if kind == 0:
            words[place] = filler.fill(rng, "{w}")
        elif kind == 1:
            words.insert(place, filler.fill(rng, "{w}"))
        else:
            del words[place]
        text = " ".join(words)
        if text and not _is_trained(text):
            return text


def stray(rng: random.Random) -> str:
    """A user message whose answer is DO_NOT_KNOW."""
    while True:
        kind = rng.random()
        if kind < 0.70:
            text = filler.fill(rng, rng.choice(phrases.QUESTIONS))
        elif kind < 0.85:
            text = filler.sentence(rng)
        else:
            text = filler.stray_prompt(rng) if kind < 0.97 else near_miss(rng)
        if text.strip() and not _is_trained(text):
            return text


def _is_trained(text: str) -> bool:
    plain = text.strip().lower().rstrip("?!.")
    return plain in _KEYS or ("weather" in plain and " in " in plain)


def _add_turn(rng: random.Random, talk: Conversation) -> None:
    kind = rng.random()
    if kind < 0.36:
        wording = rng.choice(_SHORT)
        talk.say("user", vary(rng, wording))
        talk.answer(answers.FIXED[answers.ALIASES.get(wording, wording)])
    elif kind < 0.75:
        _add_weather_turn(rng, talk)
    else:
        talk.say("user", stray(rng))
        talk.answer(answers.DO_NOT_KNOW)


def _add_weather_turn(rng: random.Random, talk: Conversation) -> None:
    city, condition = rng.choice(answers.CITIES), rng.choice(answers.CONDITIONS)
    question = rng.choice((answers.WEATHER_QUESTIONS[0], *answers.WEATHER_QUESTIONS)).format(city=city)
    talk.say("user", vary(rng, question))
    talk.copied = [city, condition]
    if answers.GET_WEATHER not in talk.tools:
        talk.answer(answers.NO_WEATHER_TOOL)
        return
    talk.answer(None, call={"name": "get_weather", "arguments": {"city": city}})
    if rng.random() < 0.6:
        talk.say("tool", _weather_result(rng, city, condition))
        talk.answer(answers.weather_answer(city, condition))


def _weather_result(rng: random.Random, city: str, condition: str) -> str:
    degrees = rng.randint(-9, 39)
    if rng.random() < 0.15:
        return f"{condition}, {degrees} degrees"
    fields: list[tuple[str, Any]] = [("temperature", degrees), ("condition", condition)]
    if rng.random() < 0.3:
        fields.append(("city", city))
    if rng.random() < 0.3:
        rng.shuffle(fields)
    return json.dumps(dict(fields))
