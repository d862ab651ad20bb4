"""Filters against mlx_lm's own, applied to one row at a time."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, apply_xtc

from lmx_worker.mlx_engine.sampling import Sampler
from lmx_worker.wire.commands import Sampling

DTYPES = [mx.float32, mx.float16, mx.bfloat16]
EXCLUDED_IDS = (3, 7)


def logprobs(rows: int, dtype: mx.Dtype, vocabulary: int = 60, seed: int = 3) -> mx.array:
    logits = (mx.random.normal((rows, vocabulary), key=mx.random.key(seed)) * 3).astype(dtype)
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def theirs(scores: mx.array, row: Sampling) -> mx.array:
    """As make_sampler of mlx_lm chains its filters, XTC striking always."""
    if 0 < row.top_p < 1:
        scores = apply_top_p(scores, row.top_p)
    if row.min_p:
        scores = apply_min_p(scores, row.min_p)
    if row.xtc_probability:
        scores = apply_xtc(scores, 1.0, row.xtc_threshold, list(EXCLUDED_IDS))
    if row.top_k and row.top_k < scores.shape[-1]:
        scores = apply_top_k(scores, row.top_k)
    return scores


def ours(scores: mx.array, rows: list[Sampling]) -> mx.array:
    return Sampler(rows, EXCLUDED_IDS)._filter(mx.array(scores), rows, [0] * len(rows))


def some_options() -> list[Sampling]:
    choices: dict[str, list[Any]] = {
        "top_p": [1.0, 0.3, 0.95],
        "min_p": [0.0, 0.02, 1.0],
        "xtc": [None, 0.0, 0.05, 0.5],
        "top_k": [0, 1, 5, 60, 10**12],
    }
    return [
        Sampling(
            1.0, p, 0, top_k=k, min_p=m, xtc_probability=0.0 if x is None else 1.0, xtc_threshold=x or 0.0
        )
        for p, m, x, k in itertools.product(*choices.values())
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_combination_keeps_what_mlx_lm_keeps(dtype: mx.Dtype) -> None:
    """In a batch with all other combinations. Among equals top_k may pick others than mlx_lm does, so the
    kept values are compared, in order."""
    options = some_options()
    scores = logprobs(len(options), dtype)
    together = ours(scores, options)
    for index, row in enumerate(options):
        expected = mx.sort(theirs(scores[index : index + 1], row)[0].astype(mx.float32))
        assert mx.array_equal(mx.sort(together[index].astype(mx.float32)), expected), row


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_row_is_filtered_alike_alone_and_beside_others(dtype: mx.Dtype) -> None:
    options = some_options()
    scores = logprobs(len(options), dtype)
    together = ours(scores, options)
    for index, row in enumerate(options):
        assert mx.array_equal(together[index : index + 1], ours(scores[index : index + 1], [row]))


def test_top_k_keeps_exactly_k_even_among_equals() -> None:
    scores = mx.zeros((4, 10))
    rows = [Sampling(1.0, top_k=k) for k in (1, 3, 9, 10)]
    kept = mx.sum(ours(scores, rows) > -1, axis=-1).tolist()
    assert kept == [1, 3, 9, 10]


def test_xtc_strikes_as_often_as_asked_and_spares_special_tokens() -> None:
    scores = mx.repeat(mx.log(mx.array([[0.4, 0.3, 0.2, 0.1]])), 2000, axis=0)
    rows = [Sampling(1.0, seed=i, xtc_probability=0.3, xtc_threshold=0.15) for i in range(2000)]
    struck = Sampler(rows)._filter(scores, rows, [5] * 2000)[:, 0] < -1e9
    assert mx.mean(struck).item() == pytest.approx(0.3, abs=0.04)
    excluded_ids = Sampler(rows, (0, 99))._filter(scores, rows, [5] * 2000)
    assert bool(mx.all(mx.isfinite(excluded_ids[:, 0]))) and not bool(mx.all(mx.isfinite(excluded_ids[:, 1])))


def test_filtering_leaves_the_scores_it_was_given_alone() -> None:
    scores = logprobs(2, mx.float32)
    copied = mx.array(scores)
    Sampler([Sampling(1.0, 0.2), Sampling(1.0)])(scores, [0, 0])
    assert mx.array_equal(scores, copied)


BAD: list[Callable[[], mx.array]] = [
    lambda: mx.full((2, 10), float("nan")),
    lambda: mx.full((2, 10), float("inf")),
    lambda: mx.full((2, 10), -float("inf")),
    lambda: mx.concatenate([mx.full((2, 1), float("nan")), mx.zeros((2, 9))], axis=-1),
]


@pytest.mark.parametrize("make", BAD)
@pytest.mark.parametrize(
    "row",
    [
        Sampling(1.0, top_k=1),
        Sampling(1.0, top_k=2**53),
        Sampling(1.0, min_p=5e-324),
        Sampling(1.0, min_p=1.0),
        Sampling(2.0, 5e-324, xtc_probability=1.0, xtc_threshold=0.0, min_p=1.0, top_k=3),
        Sampling(2.0, xtc_probability=5e-324, xtc_threshold=0.5),
    ],
)
def test_no_logits_and_no_option_make_it_raise_or_leave_the_vocabulary(
    make: Callable[[], mx.array], row: Sampling
) -> None:
    tokens = Sampler([row, Sampling()], (1, 99))(make(), [0, 2**31]).tolist()
    assert all(0 <= token < 10 for token in tokens)  # type: ignore[union-attr]


def test_the_logarithm_of_the_smallest_min_p_is_finite() -> None:
    assert math.isfinite(math.log(5e-324))
