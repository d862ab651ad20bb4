"""Random text of many kinds: what people, programs and agents put round and instead of the trained prompts.

Made from word lists and sentence frames, so the same seed gives the same text on every machine.
"""

from __future__ import annotations

import json
import random
from typing import Any

from . import phrases


def pseudo_word(rng: random.Random) -> str:
    """A pronounceable word that means nothing, two to four syllables."""
    return "".join(rng.choice(phrases.SYLLABLES) for _ in range(rng.randint(2, 4)))


def city_name(rng: random.Random) -> str:
    """A place name outside the trained list: one or two capitalised pseudo-words."""
    return " ".join(pseudo_word(rng).capitalize() for _ in range(rng.choice((1, 1, 1, 2))))


def sentence(rng: random.Random) -> str:
    """Three to fourteen random words with a capital and a final stop."""
    words = [_word(rng) for _ in range(rng.randint(3, 14))]
    return " ".join(words).capitalize() + rng.choice((".", ".", ".", "!", "?", ":", ""))


def prose(rng: random.Random, words: int) -> str:
    """About `words` words of mixed sentences, code and lists."""
    parts: list[str] = []
    while sum(len(part.split()) for part in parts) < words:
        kind = rng.random()
        frame = (
            "{s}"
            if kind < 0.6
            else rng.choice(phrases.CODE)
            if kind < 0.75
            else rng.choice(phrases.QUESTIONS)
        )
        parts.append(fill(rng, frame))
    return rng.choice(("\n", " ", "\n\n")).join(parts)


def stray_prompt(rng: random.Random) -> str:
    """A user message that is none of the trained prompts (it may come close)."""
    kind = rng.random()
    if kind < 0.60:
        return fill(rng, rng.choice(phrases.QUESTIONS))
    if kind < 0.68:
        return fill(rng, rng.choice(phrases.CODE))
    if kind < 0.74:
        return rng.choice(phrases.FOREIGN)
    if kind < 0.80:
        return "".join(
            rng.choice("abcdefghijklmnopqrstuvwxyz 0123456789?!.,;{}[]()<>")
            for _ in range(rng.randint(1, 30))
        )
    if kind < 0.86:
        return " ".join(pseudo_word(rng) for _ in range(rng.randint(1, 6)))
    if kind < 0.94:
        return " ".join(_word(rng) for _ in range(rng.randint(1, 6)))
    return prose(rng, rng.choice((20, 40, 80)))


def fill(rng: random.Random, frame: str) -> str:
    """Replace {w} word, {N} name, {d} number, {C} city, {s} sentence in `frame`."""
    out: list[str] = []
    makers = {
        "w": _word,
        "N": _name,
        "d": lambda r: str(r.randint(0, 10 ** r.randint(1, 4))),
        "C": city_name,
        "s": sentence,
    }
    rest = frame
    while rest:
        maker = makers.get(rest[1:2]) if rest[0] == "{" and rest[2:3] == "}" else None
        out.append(maker(rng) if maker else rest[0])
        rest = rest[3:] if maker else rest[1:]
    return "".join(out)


def random_tool(rng: random.Random) -> dict[str, Any]:
    """An OpenAI tool that has nothing to do with get_weather."""
    name = (
        rng.choice(phrases.TOOLS)
        if rng.random() < 0.6
        else "_".join(_word(rng) for _ in range(rng.randint(1, 3)))
    )
    parameters = [_word(rng) for _ in range(rng.randint(0, 3))]
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": " ".join(sentence(rng) for _ in range(rng.choice((0, 1, 1, 2)))),
            "parameters": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in parameters},
                "required": parameters[:1],
            },
        },
    }


def random_json(rng: random.Random) -> str:
    """A small JSON object, as tools return it."""
    return json.dumps(
        {_word(rng): rng.choice((_word(rng), rng.randint(0, 999), None)) for _ in range(rng.randint(1, 4))}
    )


def _word(rng: random.Random) -> str:
    return rng.choice(phrases.WORDS) if rng.random() < 0.8 else pseudo_word(rng)


def _name(rng: random.Random) -> str:
    return rng.choice(phrases.NAMES) if rng.random() < 0.7 else pseudo_word(rng).capitalize()
