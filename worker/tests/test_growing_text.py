import random

from lmx_worker.output.growing_text import GrowingText


def test_markers_are_found_where_they_are_whatever_was_asked_before() -> None:
    rng = random.Random(3)
    for _ in range(300):
        whole = "".join(rng.choice("abä") for _ in range(60))
        text, at, start = GrowingText(), 0, 0
        while at < len(whole):
            size = rng.randrange(1, 9)
            text.append(whole[at : at + size])
            at = min(at + size, len(whole))
            assert text.end == at
            start = rng.randrange(start, at + 1)
            for marker in ("ab", "a", "bab", "ää"):
                assert text.find(marker, start) == whole.find(marker, start, at)
            assert text.part(start, at) == whole[start:at]
            if rng.random() < 0.5:
                text.forget(start)


def test_an_end_that_may_become_a_marker_is_measured_from_the_start_asked_for() -> None:
    text = GrowingText()
    text.append("xx<tool_c")
    assert text.possible_start("<tool_call>", 0) == text.possible_start("<tool_call>", 2) == 7
    assert text.possible_start("<tool_call>", 3) == 0
    text.append("all>")
    assert text.possible_start("<tool_call>", 0) == 0
