from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.sample_utils import apply_top_p

from lmx_worker.mlx_engine.evidence import logits_health
from lmx_worker.mlx_engine.sampling import Sampler, step_coin, step_key
from lmx_worker.wire.commands import Sampling


def row(temperature: float = 1.0, top_p: float = 1.0, seed: int = 7, **options: Any) -> Sampling:
    return Sampling(temperature, top_p, seed, **options)


def sample(scores: mx.array, rows: Sequence[Sampling], positions: Sequence[int]) -> mx.array:
    return Sampler(rows)(scores, positions)


def logprobs(rows: int, vocabulary: int = 50) -> mx.array:
    logits = mx.random.normal((rows, vocabulary), key=mx.random.key(3)) * 3
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def test_keys_never_change_because_seeds_are_a_promise_to_users() -> None:
    assert [step_key(0, 0), step_key(0, 1), step_key(1, 0), step_key(2**53 - 1, 10**6)] == KNOWN_KEYS


def test_coins_never_change_and_are_fair() -> None:
    coins = [step_coin(seed, position) for seed in range(50) for position in range(50)]
    assert (step_coin(0, 0), step_coin(42, 3)) == KNOWN_COINS
    assert min(coins) >= 0 and max(coins) < 1 and abs(sum(coins) / len(coins) - 0.5) < 0.02


def test_keys_differ_between_neighbouring_seeds_and_positions() -> None:
    keys = {step_key(seed, position) for seed in range(200) for position in range(200)}
    assert len(keys) == 200 * 200


def test_a_row_is_sampled_alike_alone_and_anywhere_in_any_batch() -> None:
    scores = logprobs(6)
    rows = [row(0), row(0.7), row(1.3, 0.9), row(0.5, 0.3, 9), row(2, 1, 11), row(0, 0.5)]
    positions = [5, 0, 17, 3, 1000, 2]
    together = sample(scores, rows, positions).tolist()
    alone = [
        sample(scores[i : i + 1], [rows[i]], [positions[i]]).tolist()[0]  # type: ignore[index]
        for i in range(6)
    ]
    assert together == alone
    order = [4, 2, 5, 0, 3, 1]
    shuffled = sample(scores[mx.array(order)], [rows[i] for i in order], [positions[i] for i in order])
    assert shuffled.tolist() == [alone[i] for i in order]


def test_greedy_rows_take_the_argmax_whatever_their_neighbours_do() -> None:
    scores = logprobs(3)
    expected = mx.argmax(scores, axis=-1).tolist()
    assert sample(scores, [row(0), row(1e-9), row(0, 0.1)], [0, 0, 0]).tolist() == expected
    mixed = sample(scores, [row(0), row(1.5), row(0)], [0, 0, 0]).tolist()
    assert (mixed[0], mixed[2]) == (expected[0], expected[2])  # type: ignore[index]


@pytest.mark.parametrize("over", ["seeds", "positions"])
def test_frequencies_follow_the_distribution(over: str) -> None:
    scores = mx.repeat(mx.log(mx.array([[0.6, 0.3, 0.1]])), 4000, axis=0)
    many, one = list(range(4000)), [1] * 4000
    rows = [row(seed=seed) for seed in (many if over == "seeds" else one)]
    draws = sample(scores, rows, one if over == "seeds" else many)
    shares = [mx.mean(draws == token).item() for token in range(3)]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_top_p_of_one_keeps_even_what_rounding_would_lose() -> None:
    tail = mx.full((1, 1000), -30.0)
    scores = mx.concatenate([mx.array([[0.0]]), tail], axis=-1)
    filtered = Sampler([])._filter(mx.repeat(scores, 2, axis=0), [row(top_p=1.0), row(top_p=0.5)], [0, 0])
    assert mx.array_equal(filtered[:1], scores) and not mx.array_equal(filtered[1:], scores)


def test_the_smallest_top_p_keeps_the_best_token() -> None:
    scores = logprobs(4, 5000)
    rows = [row(2.0, top_p, seed) for seed, top_p in enumerate([5e-324, 1e-300, 1e-45, 1e-6])]
    assert sample(scores, rows, [0] * 4).tolist() == mx.argmax(scores, axis=-1).tolist()


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.999])
def test_top_p_keeps_the_tokens_mlx_lm_keeps(top_p: float) -> None:
    scores = logprobs(1, 8)
    kept = {token for token in range(8) if bool(apply_top_p(scores, top_p)[0, token] > -1e9)}
    draws = sample(mx.repeat(scores, 3000, axis=0), [row(2.0, top_p, i) for i in range(3000)], [0] * 3000)
    assert set(draws.tolist()) <= kept  # type: ignore[arg-type]
    assert top_p > 0.9 or set(draws.tolist()) == kept  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("options", [(0.0, 1.0), (1.0, 1.0), (1.0, 0.5), (1e-4, 5e-324), (2.0, 5e-324)])
def test_no_logits_and_no_options_make_it_raise_or_leave_the_vocabulary(
    bad: float, options: tuple[float, float]
) -> None:
    for scores in (mx.full((2, 10), bad), mx.concatenate([mx.full((2, 1), bad), mx.zeros((2, 9))], axis=-1)):
        tokens = sample(scores, [row(*options), row()], [0, 2**31]).tolist()
        assert all(0 <= token < 10 for token in tokens)  # type: ignore[union-attr]


def test_evidence_tells_non_finite_and_constant_logits() -> None:
    logits = mx.array([[1.0, 2.0], [3.0, 3.0], [float("nan"), 1.0], [float("inf"), 1.0]])
    assert logits_health(logits).tolist() == [[True, False], [True, True], [False, False], [False, False]]


def test_a_mask_in_the_logits_is_no_fault_unless_it_covers_everything() -> None:
    masked = float("-inf")
    assert logits_health(mx.array([[masked, 2.0], [masked, masked]])).tolist() == [
        [True, False],
        [True, True],
    ]


KNOWN_KEYS = [
    (3011683077, 4097920862),
    (1662685524, 4222351127),
    (4052577513, 1030549998),
    (623471350, 3127567665),
]
KNOWN_COINS = (0.3051094325624515, 0.6461134075429389)
