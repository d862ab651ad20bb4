"""Sampling for a whole batch in one call, every row keyed by (seed, position) and nothing else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from lmx_worker.mlx_engine.filters import exclude_top_choices, keep_min_p, keep_top_k, keep_top_p
from lmx_worker.wire.commands import Sampling

# Below this the sharpened distribution is greedy in every case that float32 can tell apart.
GREEDY_BELOW = 1e-5

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
# Sets the coin of XTC apart from the key of the draw.
_COIN = 0xD1B54A32D192ED03


def step_key(seed: int, position: int) -> tuple[int, int]:
    """Random key of the completion token at `position`, as two 32-bit words (splitmix64 of both numbers).

    Part of what a seed means to users: changing it changes every seeded result.
    """
    mixed = _mix((_mix(seed & _MASK) + (position + 1) * _GOLDEN) & _MASK)
    return mixed >> 32, mixed & 0xFFFFFFFF


def step_coin(seed: int, position: int) -> float:
    """A number in [0, 1) for the token at `position`, independent of its key; a promise like it."""
    high, low = step_key(_mix(seed & _MASK) ^ _COIN, position)
    return ((high << 32 | low) >> 11) * 2.0**-53


@dataclass(frozen=True)
class Sampler:
    """Chooses tokens for one set of rows, in batch order. `excluded_ids` are the ids XTC never takes out."""

    rows: Sequence[Sampling]
    excluded_ids: Sequence[int] = ()

    def __call__(self, logprobs: mx.array, positions: Sequence[int]) -> mx.array:
        """Token ids [B] for log probabilities [B, vocab].

        Greedy rows take the argmax exactly as mlx_lm does. A sampled row's result depends on its own log
        probabilities, options, seed and position, never on the rows beside it. Never raises on NaN or
        infinity.
        """
        greedy = mx.argmax(logprobs, axis=-1)
        drawn = [index for index, row in enumerate(self.rows) if row.temperature >= GREEDY_BELOW]
        if not drawn:
            return greedy
        scores = logprobs if len(drawn) == len(self.rows) else logprobs[mx.array(drawn)]
        rows = [self.rows[index] for index in drawn]
        at = [positions[index] for index in drawn]
        scores = self._filter(scores, rows, at).astype(mx.float32)
        keys = [step_key(row.seed, position) for row, position in zip(rows, at, strict=True)]
        temperatures = mx.array([row.temperature for row in rows])[:, None]
        tokens = _categorical(scores / temperatures, mx.array(keys, dtype=mx.uint32))
        if len(drawn) == len(self.rows):
            return tokens
        greedy[mx.array(drawn)] = tokens.astype(greedy.dtype)
        return greedy

    def _filter(self, scores: mx.array, rows: Sequence[Sampling], positions: Sequence[int]) -> mx.array:
        """Every filter on the rows that use it, in mlx_lm's order: top_p, min_p, XTC, top_k."""
        struck = [
            row.xtc_probability > 0 and step_coin(row.seed, position) <= row.xtc_probability
            for row, position in zip(rows, positions, strict=True)
        ]
        excluded_ids = [token for token in self.excluded_ids if token < scores.shape[-1]]
        scores = _on(scores, rows, [row.top_p < 1 for row in rows], keep_top_p, lambda row: row.top_p)
        scores = _on(
            scores, rows, [row.min_p > 0 for row in rows], keep_min_p, lambda row: math.log(row.min_p)
        )
        scores = _on(
            scores,
            rows,
            struck,
            lambda part, limits: exclude_top_choices(part, limits, excluded_ids),
            lambda row: row.xtc_threshold,
        )
        return _on(scores, rows, [row.top_k > 0 for row in rows], keep_top_k, lambda row: row.top_k)


def _on(
    scores: mx.array,
    rows: Sequence[Sampling],
    wanted: Sequence[bool],
    apply: Callable[[mx.array, list[Any]], mx.array],
    limit: Callable[[Sampling], Any],
) -> mx.array:
    """`apply` to the wanted rows of the scores; sorting a vocabulary is not for the others."""
    chosen = [index for index, want in enumerate(wanted) if want]
    if not chosen:
        return scores
    limits = [limit(rows[index]) for index in chosen]
    if len(chosen) == len(rows):
        return apply(scores, limits)
    at = mx.array(chosen)
    result = mx.array(scores)  # another handle: assigning changes the array that the caller still holds
    result[at] = apply(scores[at], limits)
    return result


_categorical = mx.vmap(lambda scores, key: mx.random.categorical(scores, key=key))


def _mix(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
