"""Filters over log probabilities, as in mlx_lm.sample_utils and in its order, with a limit for every row.

Each takes log probabilities [B, vocab] of rows that all use it, and puts -inf where a token is out. A row's
result depends on that row alone. None of them raises, on NaN and infinity either.
"""

from collections.abc import Sequence

import mlx.core as mx


def keep_top_p(logprobs: mx.array, top_p: list[float]) -> mx.array:
    """The most likely tokens that together reach top_p < 1 of the mass; at least one."""
    limits = mx.array(top_p)[:, None]
    ordered = mx.sort(logprobs, axis=-1)
    probabilities = mx.exp(ordered.astype(mx.float32))
    mass_above = mx.cumsum(probabilities, axis=-1, reverse=True, inclusive=False)
    total = mass_above[..., :1] + probabilities[..., :1]
    dropped = mx.sum(mass_above >= limits * total, axis=-1, keepdims=True)
    # With every token "dropped" (NaN, or top_p so small that rounding hits it) the best one stays.
    threshold = mx.take_along_axis(ordered, mx.minimum(dropped, logprobs.shape[-1] - 1), axis=-1)
    return mx.where(logprobs < threshold, -mx.inf, logprobs)


def keep_min_p(logprobs: mx.array, log_min_p: list[float]) -> mx.array:
    """Tokens at least min_p times as likely as the best one; takes the logarithms of min_p."""
    best = mx.max(logprobs, axis=-1, keepdims=True)
    threshold = best + mx.array(log_min_p, dtype=logprobs.dtype)[:, None]
    return mx.where(logprobs < threshold, -mx.inf, logprobs)


def exclude_top_choices(logprobs: mx.array, thresholds: list[float], excluded_ids: Sequence[int]) -> mx.array:
    """XTC where it strikes: of the tokens over the threshold only the least likely stays.

    `excluded_ids` are token ids below vocab that are never taken out (line break and end of answer).
    """
    probabilities = mx.softmax(logprobs, axis=-1)
    over = probabilities > mx.array(thresholds, dtype=probabilities.dtype)[:, None]
    least = mx.min(mx.where(over, probabilities, mx.inf), axis=-1, keepdims=True)
    out = probabilities > least
    if excluded_ids:
        out[:, mx.array(list(excluded_ids))] = False
    return mx.where(out, -mx.inf, logprobs)


def keep_top_k(logprobs: mx.array, top_k: list[int]) -> mx.array:
    """Exactly the k most likely tokens, equal ones by id; k of the vocabulary or more keeps all."""
    vocabulary = logprobs.shape[-1]
    limits = mx.array([min(k, vocabulary) for k in top_k])[:, None]
    order = mx.argsort(-logprobs, axis=-1)
    kept = mx.where(
        mx.arange(vocabulary)[None] < limits, mx.take_along_axis(logprobs, order, axis=-1), -mx.inf
    )
    return mx.put_along_axis(logprobs, order, kept, axis=-1)
