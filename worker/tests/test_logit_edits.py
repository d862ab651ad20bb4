"""Bias and penalties against mlx_lm's logits processors, applied to one row at a time."""

import random
from dataclasses import asdict, replace
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.sample_utils import make_logits_processors

from lmx_worker.mlx_engine.logit_edits import LogitEdits
from lmx_worker.wire.commands import Sampling

VOCABULARY = 40
DTYPES = [mx.float32, mx.float16, mx.bfloat16]
OPTIONS = [
    Sampling(),
    Sampling(logit_bias={3: 5.0, 7: -100.0, 0: 0.1}),
    Sampling(repetition_penalty=1.3),
    Sampling(repetition_penalty=0.7, repetition_context_size=1),
    Sampling(repetition_penalty=2.0, repetition_context_size=100_000),
    Sampling(presence_penalty=1.5),
    Sampling(presence_penalty=-2.0),
    Sampling(frequency_penalty=0.33),
    Sampling(
        repetition_penalty=1.1,
        repetition_context_size=50,
        presence_penalty=0.37,
        frequency_penalty=-1.1,
        logit_bias={5: 1.003, 6: -3.3},
    ),
]


def processors(row: Sampling) -> list[Any]:
    names = (
        "logit_bias", "repetition_penalty", "repetition_context_size", "presence_penalty",
        "frequency_penalty",
    )  # fmt: skip
    return make_logits_processors(**{name: asdict(row)[name] for name in names})


def history(rng: random.Random, length: int) -> list[int]:
    return [rng.randrange(VOCABULARY // 2) for _ in range(length)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("length", [0, 1, 19, 20, 21, 300])
def test_every_edit_gives_what_mlx_lm_gives(dtype: mx.Dtype, length: int) -> None:
    rng = random.Random(length)
    tokens = [history(rng, length) for _ in OPTIONS]
    fed = history(rng, len(OPTIONS))
    logits = (mx.random.normal((len(OPTIONS), VOCABULARY), key=mx.random.key(1)) * 4).astype(dtype)
    edited = LogitEdits(OPTIONS).apply(logits, tokens, mx.array(fed, dtype=mx.uint32))
    assert edited.dtype == logits.dtype
    for index, row in enumerate(OPTIONS):
        expected = mx.array(logits[index : index + 1])
        for processor in processors(row):
            expected = processor(mx.array([*tokens[index], fed[index]]), expected)
        assert mx.array_equal(edited[index : index + 1], expected), row


@pytest.mark.parametrize("row", OPTIONS)
def test_the_logits_it_was_given_stay_as_they_are(row: Sampling) -> None:
    logits = mx.random.normal((1, VOCABULARY), key=mx.random.key(2))
    copied = mx.array(logits)
    LogitEdits([row]).apply(logits, [[1, 2]], mx.array([3]))
    assert mx.array_equal(logits, copied)


def test_rows_without_options_cost_nothing() -> None:
    logits = mx.zeros((2, VOCABULARY))
    assert LogitEdits([Sampling(), Sampling(1.0)]).apply(logits, [[1], [1]], mx.array([1, 1])) is logits


@pytest.mark.parametrize("penalty", [5e-324, 1e-30, 10.0])
def test_no_penalty_raises(penalty: float) -> None:
    row = replace(OPTIONS[-1], repetition_penalty=penalty)
    edited = LogitEdits([row]).apply(mx.zeros((1, VOCABULARY)), [[1, 1, 1]], mx.array([1]))
    mx.eval(edited)
