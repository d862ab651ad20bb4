"""What rows keep in the model's caches, in bytes: the one formula by which memory is promised and held back.

A row of n tokens (prompt and completion) holds, summed over the kinds of cache of its model,

    fixed_bytes + bytes_per_token x min(ceil(n / 256) x 256, window_tokens)

because mlx_lm's caches grow by 256 tokens at a time (`step` in mlx_lm/models/cache.py) and one with a window
takes no more than that. The rows of a batch share arrays as long as the longest of them. Where rows join and
leave, the boundaries of 256 shift, so that each row of a batch may hold up to 255 tokens more than its own
length; the supervisor counts a row alone.

Not counted is what a prefill needs for a moment, which is part of the `prefill_bytes` of an inspection: a
cache with a window keeps a whole chunk besides until the prompt has ended, and a prompt that ends within a
chunk is padded to the chunk's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STEP_TOKENS = 256
# Prompt tokens that one step takes at most. The memory to work in is estimated for as many.
MAX_CHUNK_ALONE = 2048


@dataclass(frozen=True)
class CacheFootprint:
    """What one row keeps in all caches of one kind together (shared/worker-protocol.ts).

    `kind` is mlx_lm's class, `fixed_bytes` are taken by a row of any length, `bytes_per_token` by each token
    up to `window_tokens` (None: no limit).
    """

    kind: str
    layers: int
    fixed_bytes: int
    bytes_per_token: int
    window_tokens: int | None


def row_bytes(caches: Sequence[CacheFootprint], tokens: int) -> int:
    """Bytes of a row alone, once it has so many tokens."""
    return _held(caches, -(-tokens // STEP_TOKENS) * STEP_TOKENS)


def batch_bytes(caches: Sequence[CacheFootprint], rows: int, longest: int) -> int:
    """At most so many bytes are held by so many rows, the longest of which has `longest` tokens."""
    if rows <= 1:
        return rows * row_bytes(caches, longest)
    return rows * _held(caches, longest + STEP_TOKENS - 1)


def _held(caches: Sequence[CacheFootprint], slots: int) -> int:
    return sum(
        cache.fixed_bytes
        + cache.bytes_per_token * (slots if cache.window_tokens is None else min(slots, cache.window_tokens))
        for cache in caches
    )


@dataclass(frozen=True)
class CacheBudget:
    """What the caches of all rows together may take, in bytes."""

    caches: Sequence[CacheFootprint]
    total_bytes: int

    def holds(self, rows: int, longest: int) -> bool:
        """Whether so many rows fit when the longest has come to its end."""
        return batch_bytes(self.caches, rows, longest) <= self.total_bytes

    def longest_row(self, at_most: int) -> int:
        """The largest number of tokens up to `at_most` that a row alone may have; 0: none fits."""
        fits, fails = 0, at_most + 1
        while fails - fits > 1:
            middle = (fits + fails) // 2
            if self.holds(1, middle):
                fits = middle
            else:
                fails = middle
        return fits
