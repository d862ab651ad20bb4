"""Sampling for a whole batch in one call, every row keyed by (seed, position) and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx

# Below this the sharpened distribution is greedy in every case that float32 can tell apart.
GREEDY_BELOW = 1e-5

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class RowSampling:
    """How one row is sampled. `prompt_tokens` is where its completion begins.

    The generator carries this object with the row in place of the sampler function it expects.
    """

    temperature: float
    top_p: float
    seed: int
    prompt_tokens: int
    inspect_logits: bool = False


def step_key(seed: int, position: int) -> tuple[int, int]:
    """Random key of the completion token at `position`, as two 32-bit words (splitmix64 of both numbers).

    Part of what a seed means to users: changing it changes every seeded result.
    """
    mixed = _mix((_mix(seed & _MASK) + (position + 1) * _GOLDEN) & _MASK)
    return mixed >> 32, mixed & 0xFFFFFFFF


def sample(logprobs: mx.array, rows: Sequence[RowSampling], positions: Sequence[int]) -> mx.array:
    """Token ids [B] for log probabilities [B, vocab].

    Greedy rows take the argmax exactly as mlx_lm does. A sampled row's result depends on its own log
    probabilities, options, seed and position, never on the rows beside it. Never raises on NaN or infinity.
    """
    greedy = mx.argmax(logprobs, axis=-1)
    is_greedy = [row.temperature < GREEDY_BELOW for row in rows]
    if all(is_greedy):
        return greedy
    scores = logprobs.astype(mx.float32)
    if any(row.top_p < 1.0 for row in rows):
        scores = _keep_top_p(scores, mx.array([row.top_p for row in rows])[:, None])
    temperatures = [1.0 if skip else row.temperature for skip, row in zip(is_greedy, rows, strict=True)]
    keys = [step_key(row.seed, position) for row, position in zip(rows, positions, strict=True)]
    sampled = _categorical(scores / mx.array(temperatures)[:, None], mx.array(keys, dtype=mx.uint32))
    return mx.where(mx.array(is_greedy), greedy, sampled)


def logits_evidence(logits: mx.array) -> mx.array:
    """[B, 2] booleans for logits [B, vocab]: all finite, all equal."""
    finite = mx.all(mx.isfinite(logits), axis=-1)
    constant = mx.max(logits, axis=-1) == mx.min(logits, axis=-1)
    return mx.stack([finite, constant], axis=-1)


def _keep_top_p(logprobs: mx.array, top_p: mx.array) -> mx.array:
    """Nucleus filter before temperature, as mlx_lm.sample_utils.apply_top_p, with a limit per row."""
    ordered = mx.sort(logprobs, axis=-1)
    probabilities = mx.exp(ordered)
    mass_above = mx.cumsum(probabilities, axis=-1, reverse=True, inclusive=False)
    total = mass_above[..., :1] + probabilities[..., :1]
    dropped = mx.sum(mass_above >= top_p * total, axis=-1, keepdims=True)
    # With every token "dropped" (NaN, or top_p so small that rounding hits it) the best one stays.
    threshold = mx.take_along_axis(ordered, mx.minimum(dropped, logprobs.shape[-1] - 1), axis=-1)
    filtered = mx.where(logprobs < threshold, -mx.inf, logprobs)
    # A limit of 1 keeps everything, exactly, whatever its neighbours ask for.
    return mx.where(top_p < 1.0, filtered, logprobs)


_categorical = mx.vmap(lambda scores, key: mx.random.categorical(scores, key=key))


def _mix(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
