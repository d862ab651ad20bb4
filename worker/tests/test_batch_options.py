"""Sampling options and log probabilities through the real batch, against mlx_lm's single stream."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model

from lmx_worker.engine.interface import ALTERNATIVES, RowRequest, RowToken
from lmx_worker.mlx_engine.batch import Batch
from lmx_worker.wire.commands import Sampling
from tests.test_logit_edits import processors
from tests.tiny_models import build_model

PROMPTS = [[5 + i * 3 + j for j in range(length)] for i, length in enumerate([1, 2, 9, 40, 3, 17, 70, 6])]
EDITS = [
    Sampling(),
    Sampling(logit_bias={65: 8.0, 70: -100.0}),
    Sampling(repetition_penalty=1.5),
    Sampling(repetition_penalty=1.2, repetition_context_size=64),
    Sampling(presence_penalty=2.0),
    Sampling(frequency_penalty=0.9),
    Sampling(repetition_penalty=1.1, presence_penalty=0.5, frequency_penalty=0.5, logit_bias={66: 3.0}),
    Sampling(repetition_penalty=0.8, frequency_penalty=-0.5),
]


@pytest.fixture(scope="module", params=["llama", "gemma3_text", "mamba2"])
def model(request: pytest.FixtureRequest, models: Path) -> Any:
    return load_model(build_model(models / f"options-{request.param}", request.param, endless=True))[0]


@pytest.fixture(scope="module")
def llama_model(models: Path) -> Any:
    return load_model(build_model(models / "options-only-llama", endless=True))[0]


def run(model: Any, rows: list[RowRequest], *, late: int = 0) -> list[list[RowToken]]:
    """Tokens of every row; the last `late` rows join one step after another."""
    batch = Batch(model, (), 16, line_break_ids=(70,))
    tokens: dict[int, list[RowToken]] = {}
    queue = list(rows)
    numbers = [batch.insert(queue.pop(0)) for _ in range(len(rows) - late)]
    ended = 0
    while ended < len(rows):
        for token in batch.step(16).tokens:
            tokens.setdefault(token.row, []).append(token)
            ended += token.finish is not None
        if queue:
            numbers.append(batch.insert(queue.pop(0)))
    return [tokens[number] for number in numbers]


def ids(tokens: list[RowToken]) -> list[int]:
    return [token.token_id for token in tokens]


def rows_of(options: list[Sampling], max_tokens: int = 25, **flags: bool) -> list[RowRequest]:
    return [
        RowRequest(list(prompt), len(prompt), max_tokens, sampling, **flags)
        for prompt, sampling in zip(PROMPTS, options, strict=True)
    ]


def test_greedy_rows_with_edits_equal_bare_mlx_lm(model: Any) -> None:
    """With and without edits in one batch, joining at different times."""
    rows = rows_of(EDITS)
    for row, tokens in zip(rows, run(model, rows, late=4), strict=True):
        bare = generate_step(
            mx.array(row.token_ids), model, max_tokens=25, logits_processors=processors(row.sampling)
        )
        assert ids(tokens) == [int(token) for token, _ in bare], row.sampling


def test_edits_change_what_is_said(llama_model: Any) -> None:
    """Otherwise the test above would prove nothing."""
    prompt = PROMPTS[3]
    said = [ids(run(llama_model, [RowRequest(prompt, len(prompt), 40, sampling)])[0]) for sampling in EDITS]
    assert len({tuple(tokens) for tokens in said}) >= 6
    assert 70 not in said[1]


def random_options(rng: random.Random) -> Sampling:
    return Sampling(
        temperature=rng.choice([0.0, 0.7, 1.3, 2.0]),
        top_p=rng.choice([1.0, 0.9, 0.4]),
        seed=rng.randrange(2**53),
        top_k=rng.choice([0, 1, 7, 320, 10**9]),
        min_p=rng.choice([0.0, 0.05]),
        xtc_probability=rng.choice([0.0, 0.5, 1.0]),
        xtc_threshold=rng.choice([0.0, 0.1]),
        repetition_penalty=rng.choice([1.0, 1.3]),
        repetition_context_size=rng.choice([1, 20, 1000]),
        presence_penalty=rng.choice([0.0, 0.7]),
        frequency_penalty=rng.choice([0.0, -0.4]),
        logit_bias=rng.choice([{}, {65: 4.0}]),
    )


def test_rows_with_any_options_are_the_same_alone_and_together(model: Any) -> None:
    rng = random.Random(8)
    rows = rows_of([random_options(rng) for _ in PROMPTS], 15)
    rows = [replace(row, logprobs=index % 2 == 0) for index, row in enumerate(rows)]
    together = run(model, rows, late=5)
    alone = [run(model, [row])[0] for row in rows]
    assert [ids(tokens) for tokens in together] == [ids(tokens) for tokens in alone]


def test_a_completion_goes_on_with_the_same_penalties(llama_model: Any) -> None:
    """Everything a row's options depend on is in prompt + ids."""
    rng = random.Random(3)
    for row in rows_of([random_options(rng) for _ in PROMPTS], 24):
        whole = ids(run(llama_model, [row])[0])
        rest = replace(row, token_ids=row.token_ids + whole[:9], max_tokens=15)
        assert ids(run(llama_model, [rest])[0]) == whole[9:]


def test_logprobs_are_the_models_whatever_the_options(model: Any) -> None:
    """Greedy edits and hot sampling report what the bare model says about the chosen token."""
    sampling = Sampling(1.5, 0.9, 5, repetition_penalty=1.4, logit_bias={65: 6.0})
    rows = rows_of([sampling, *EDITS[1:]], 10, logprobs=True)
    for row, tokens in zip(rows, run(model, rows, late=3), strict=True):
        text = mx.array([row.token_ids + ids(tokens)])
        logits = model(text)[0].astype(mx.float32)
        expected = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        for position, token in enumerate(tokens):
            line = expected[len(row.token_ids) - 1 + position]
            assert token.logprobs is not None
            assert token.logprobs.logprob == pytest.approx(line[token.token_id].item(), abs=1e-3)
            best = sorted(line.tolist(), reverse=True)[:ALTERNATIVES]  # type: ignore[type-var]
            assert [value for _, value in token.logprobs.top] == pytest.approx(best, abs=1e-3)
            assert all(line[i].item() == pytest.approx(value, abs=1e-3) for i, value in token.logprobs.top)


def test_logprobs_are_only_there_where_asked(llama_model: Any) -> None:
    rows = rows_of(EDITS, 6)
    rows[2] = replace(rows[2], logprobs=True)
    results = run(llama_model, rows)
    assert [all(token.logprobs is not None for token in tokens) for tokens in results] == [
        index == 2 for index in range(8)
    ]


def test_broken_weights_give_numbers_that_json_can_carry(models: Path) -> None:
    broken: Any = load_model(build_model(models / "broken-logprobs"))[0]
    head = broken.lm_head.weight
    for weight in (head * float("nan"), head * float("inf")):
        broken.lm_head.weight = weight
        (tokens,) = run(broken, [RowRequest([5, 6], 2, 3, Sampling(), logprobs=True)])
        for token in tokens:
            assert token.logprobs is not None and token.logprobs.logprob == -9999.0
            assert {value for _, value in token.logprobs.top} == {-9999.0}


def test_a_row_with_every_option_cannot_break_a_step(llama_model: Any) -> None:
    """Extremes that pass the checks at the pipe."""
    extremes = [
        Sampling(2.0, 5e-324, 2**53 - 1, top_k=2**53, min_p=1.0, xtc_probability=1.0, xtc_threshold=0.0),
        Sampling(1e-300, repetition_penalty=5e-324, repetition_context_size=100_000),
        Sampling(1.0, repetition_penalty=10.0, presence_penalty=-2.0, frequency_penalty=2.0),
        Sampling(0.0, logit_bias={token: -100.0 for token in range(320)}),
        Sampling(1.0, logit_bias={token: 100.0 for token in range(320)}, min_p=5e-324),
        Sampling(2.0, top_k=1),
        Sampling(1.0, 1.0, 0, xtc_probability=5e-324, xtc_threshold=0.5),
        Sampling(),
    ]
    rows = rows_of(extremes, 12)
    results = run(llama_model, rows, late=2)
    assert all(0 <= token < 320 for tokens in results for token in ids(tokens))
    assert ids(results[-1]) == ids(run(llama_model, [rows[-1]])[0])
