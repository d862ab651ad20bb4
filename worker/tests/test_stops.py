import random

import pytest

from lmx_worker.output.pieces import Piece, ToolCall
from lmx_worker.output.stops import StopMatcher

CALL = ToolCall(0, "1", "f", "{}")


def cut(text: str, size: int, start: int = 0) -> list[Piece]:
    return [Piece("text", text[at : at + size], start + at) for at in range(0, len(text), size)]


def shown(stops: list[str], text: str, size: int) -> tuple[str, bool]:
    matcher = StopMatcher(stops)
    parts = [part for piece in cut(text, size) for part in matcher.feed([piece])]
    if not matcher.stopped:
        parts += matcher.flush()
    assert all(isinstance(part, Piece) and text[part.start : part.end] == part.text for part in parts)
    return "".join(part.text for part in parts if isinstance(part, Piece)), matcher.stopped


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("stops", "text", "before"),
    [
        (["three"], "one two three four", "one two "),
        (["three"], "one two thre", None),
        (["ab"], "aab", "a"),
        (["aab"], "aaab", "a"),
        (["abcabd"], "abcabcabd", "abc"),
        (["\n\n"], "a\nb\n\nc", "a\nb"),
        (["😀!"], "x😀😀!y", "x😀"),
        (["Ä"], "aÄb", "a"),
        (["abcdef", "cd"], "abcdef", "ab"),  # complete first
        (["three", "ee"], "three", ""),  # complete at once: the longest
        (["x"], "x", ""),
        (["never"], "", None),
    ],
)
def test_a_stop_text_ends_the_answer_however_it_arrives(
    stops: list[str], text: str, before: str | None, size: int
) -> None:
    assert shown(stops, text, size) == (text if before is None else before, before is not None)


def reference(stops: list[str], text: str) -> tuple[str, bool]:
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


def test_random_texts_stop_where_reading_character_by_character_stops() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        text = "".join(rng.choice("aab") for _ in range(rng.randrange(25)))
        stops = [
            "".join(rng.choice("aab") for _ in range(rng.randrange(1, 6))) for _ in range(rng.randrange(1, 4))
        ]
        assert shown(stops, text, rng.randrange(1, 6)) == reference(stops, text), (stops, text)


def test_no_more_is_held_back_than_may_become_a_stop() -> None:
    matcher = StopMatcher(["three", "the end"])
    assert matcher.feed([Piece("text", "in the", 0)]) == [Piece("text", "in ", 0)]
    assert matcher.feed([Piece("text", "r", 6)]) == [Piece("text", "the", 3), Piece("text", "r", 6)]
    assert matcher.feed([Piece("text", "e th", 7)]) == [Piece("text", "e ", 7)]
    assert matcher.flush() == [Piece("text", "th", 9)]


def test_a_stop_never_reaches_across_reasoning_or_a_call_and_the_order_stays() -> None:
    thought = Piece("reasoning", "three", 2)
    matcher = StopMatcher(["three"])
    assert matcher.feed([Piece("text", "th", 0), thought]) == [Piece("text", "th", 0), thought]
    assert matcher.feed([Piece("text", "ree", 7), CALL]) == [Piece("text", "ree", 7), CALL]
    assert not matcher.stopped


def test_after_a_stop_nothing_follows() -> None:
    matcher = StopMatcher(["b"])
    assert matcher.feed([Piece("text", "abc", 0), CALL]) == [Piece("text", "a", 0)]
    assert matcher.stopped and matcher.feed([Piece("text", "d", 3)]) == []


def test_long_stops_cost_no_more_than_short_ones() -> None:
    """A thousand characters that almost match all the time."""
    stops = ["a" * 999 + chr(ord("b") + i) for i in range(16)]
    text, stopped = shown(stops, "a" * 20_000, 7)
    assert len(text) == 20_000 and not stopped
