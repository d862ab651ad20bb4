"""One generation from tokens to events: log probabilities, stops and what is held back."""

import random
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.engine.interface import EngineFinish, RowToken, TokenLogprobs
from lmx_worker.mlx_engine.codec import MlxCodec
from lmx_worker.output.stops import StopMatcher
from lmx_worker.output.text import NORMAL, TextMachine
from lmx_worker.scheduling.completion import Completion
from lmx_worker.scheduling.token_report import TokenReport
from tests.tiny_models import MARKERS, write_tokenizer

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> MlxCodec:
    directory = tmp_path_factory.mktemp("codec")
    write_tokenizer(directory)
    (directory / "config.json").write_text('{"model_type": "llama", "vocab_size": 320}')
    return MlxCodec(load_tokenizer(directory))


def ids_of(codec: MlxCodec, text: str) -> list[int]:
    return codec._tokenizer.encode(text, add_special_tokens=False)


def run(
    codec: MlxCodec,
    ids: list[int],
    *,
    finish: EngineFinish = "stop",
    stop: tuple[str, ...] = (),
    alternatives: int | None = 2,
    tools: tuple[Any, ...] = (),
) -> tuple[list[Events], Completion]:
    """Events by step for these tokens; `stop` adds the end token, `length` ends with the last one."""
    report = None if alternatives is None else TokenReport(codec.token_bytes, alternatives)
    machine = TextMachine(codec.text_format, NORMAL, tools)
    completion = Completion("a", 1, codec.detokenizer(), machine, StopMatcher(stop), report)
    steps: list[Events] = []
    tokens = [*ids, 0] if finish == "stop" else ids
    for index, token in enumerate(tokens):
        last = index == len(tokens) - 1
        found = TokenLogprobs(-float(index), [(token, -0.5), (5, -1.0), (6, -2.0)])
        steps.append(completion.accept(RowToken(0, token, finish if last else None, None, found))["events"])
        if completion.finished:
            break
    return steps, completion


def reported_entries(steps: list[Events]) -> list[dict[str, Any]]:
    return [entry for step in steps for event in step for entry in event.get("logprobs", [])]


def reported(steps: list[Events]) -> list[int]:
    return [entry["token_id"] for entry in reported_entries(steps)]


def said(steps: list[Events]) -> str:
    return "".join(event["text"] for step in steps for event in step if event["type"] == "text")


def finish_of(steps: list[Events]) -> dict[str, Any]:
    return steps[-1][-1]


def test_every_token_of_the_text_is_reported_with_it(codec: MlxCodec) -> None:
    ids = ids_of(codec, "the lazy dog")
    steps, _ = run(codec, ids)
    first = steps[0][0]["logprobs"]
    assert first == [
        {
            "token_id": ids[0],
            "token": codec.decode([ids[0]]),
            "bytes": list(codec.decode([ids[0]]).encode()),
            "logprob": 0.0,
            "top": first[0]["top"],
        }
    ]
    assert [entry["token_id"] for entry in first[0]["top"]] == [ids[0], 5]
    assert reported(steps) == ids, "the end token is not reported"
    joined = b"".join(
        bytes(entry["bytes"]) for step in steps for e in step for entry in e.get("logprobs", [])
    )
    assert joined.decode() == said(steps) == "the lazy dog"


@pytest.mark.parametrize("alternatives", [None, 0, 20])
def test_alternatives_are_as_many_as_asked_for(codec: MlxCodec, alternatives: int | None) -> None:
    steps, _ = run(codec, ids_of(codec, "the"), alternatives=alternatives)
    entries = [event.get("logprobs") for step in steps for event in step if event["type"] == "text"]
    if alternatives is None:
        assert entries == [None]
    else:
        assert [len(entry["top"]) for entry in reported_entries(steps)] == [min(3, alternatives)] * len(
            entries
        )


def test_bytes_of_one_character_are_reported_when_it_is_complete(codec: MlxCodec) -> None:
    ids = ids_of(codec, "a😀b")
    assert len(ids) == 6
    steps, _ = run(codec, ids)
    assert [[e["token_id"] for event in step for e in event.get("logprobs", [])] for step in steps] == [
        ids[:1], [], [], [], ids[1:5], ids[5:], [],
    ]  # fmt: skip
    entries = steps[4][0]["logprobs"]
    assert [entry["token"] for entry in entries] == ["\ufffd"] * 4
    assert b"".join(bytes(entry["bytes"]) for entry in entries).decode() == "😀"
    cut, _ = run(codec, ids[:3], finish="length")
    assert said(cut) == "a\ufffd" and reported(cut) == ids[:3]


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize("text", ["held <tool_ca", "<", "a <thin", CALL[:30], CALL.replace("Paris", '"')])
def test_tokens_of_text_that_was_held_back_come_with_it(
    codec: MlxCodec, text: str, finish: EngineFinish
) -> None:
    ids = ids_of(codec, text)
    steps, _ = run(codec, ids, finish=finish, tools=(TOOL,))
    assert said(steps) == text and reported(steps) == ids
    assert finish_of(steps)["reason"] == finish


def test_tokens_of_calls_markers_and_reasoning_are_not_reported(codec: MlxCodec) -> None:
    before, after = ids_of(codec, "so "), ids_of(codec, " done")
    ids = [*before, *ids_of(codec, f"<think>the dog</think>{CALL}"), *after]
    steps, completion = run(codec, ids, tools=(TOOL,))
    assert reported(steps) == before + after and said(steps) == "so  done"
    assert finish_of(steps)["reason"] == "tool_calls" and not completion._ledger._placed


def test_a_stop_ends_the_answer_before_the_engine_does(codec: MlxCodec) -> None:
    ids = ids_of(codec, "one two three four")
    steps, completion = run(codec, ids, stop=("three",))
    assert said(steps) == "one two " and completion.finished
    assert finish_of(steps)["reason"] == "stop"
    count = len(ids_of(codec, "one two three"))
    assert finish_of(steps)["usage"]["completion_tokens"] == len(steps) == count
    assert "".join(codec.decode([i]) for i in reported(steps)).startswith("one two")
    assert len(reported(steps)) < count


def test_a_stop_is_found_however_it_is_tokenised(codec: MlxCodec) -> None:
    """Here every byte is a token of its own."""
    ids = [token for character in "one two three four" for token in ids_of(codec, character)]
    steps, _ = run(codec, ids, stop=("three",))
    assert said(steps) == "one two " and reported(steps) == ids[:8]


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_half_a_stop_is_text_at_the_end(codec: MlxCodec, finish: EngineFinish) -> None:
    ids = ids_of(codec, "one two thre")
    steps, _ = run(codec, ids, stop=("three", "o th!"), finish=finish)
    assert said(steps) == "one two thre" and reported(steps) == ids
    assert finish_of(steps)["reason"] == finish


def test_a_stop_completed_by_the_last_token_or_by_what_was_held_is_a_stop(codec: MlxCodec) -> None:
    steps, _ = run(codec, ids_of(codec, "one two three"), stop=("three",), finish="length")
    assert said(steps) == "one two " and finish_of(steps)["reason"] == "stop"
    steps, _ = run(
        codec, ids_of(codec, "a <tool_call>"), stop=("<tool_call>",), finish="length", tools=(TOOL,)
    )
    assert said(steps) == "a " and finish_of(steps)["reason"] == "stop"
    assert [event["type"] for event in steps[-1]][-1] == "finish"


def test_stops_are_not_looked_for_in_reasoning_or_calls(codec: MlxCodec) -> None:
    ids = ids_of(codec, f"<think>Paris</think>{CALL} Paris!")
    steps, _ = run(codec, ids, stop=("Paris",), tools=(TOOL,))
    kinds = [event["type"] for step in steps for event in step]
    assert "tool_call" in kinds and "reasoning" in kinds and said(steps) == " "
    assert finish_of(steps)["reason"] == "tool_calls"


def test_a_limit_inside_a_call_gives_text_and_length_also_after_a_whole_call(codec: MlxCodec) -> None:
    steps, _ = run(codec, ids_of(codec, CALL + CALL[:40]), finish="length", tools=(TOOL,))
    assert said(steps) == CALL[:40] and finish_of(steps)["reason"] == "length"
    assert sum(event["type"] == "tool_call" for step in steps for event in step) == 1


def test_whatever_is_generated_each_token_is_reported_once_or_belongs_to_what_is_not_shown(
    codec: MlxCodec,
) -> None:
    """Random tokens, markers and halves of characters among them."""
    rng = random.Random(2)
    markers = {codec._tokenizer.convert_tokens_to_ids(marker) for marker in MARKERS}
    for _ in range(400):
        ids = [rng.randrange(1, 320) for _ in range(rng.randrange(1, 40))]
        finish: EngineFinish = rng.choice(("stop", "length"))
        stop = rng.choice([(), ("e",), ("zz", " t")])
        steps, _ = run(codec, ids, finish=finish, stop=stop, tools=rng.choice([(), (TOOL,)]))
        assert is_subsequence(reported(steps), ids)
        if not stop and not markers & set(ids):
            assert reported(steps) == ids
        assert not any(text in said(steps) for text in stop)


def is_subsequence(short: list[int], long: list[int]) -> bool:
    rest = iter(long)
    return all(item in rest for item in short)


def test_a_report_without_log_probabilities_is_refused(codec: MlxCodec, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        TokenReport(codec.token_bytes, 1)(RowToken(0, 5, None, None))
