"""What a step tells about its logits: health for the canary, log probabilities for a client.

Everything is computed with the step and read one step later, so that nothing waits for the device.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from lmx_worker.engine.interface import ALTERNATIVES, LogitsCheck, RowRequest, TokenLogprobs

# Stands for minus infinity and NaN, which JSON cannot carry.
IMPOSSIBLE = -9999.0


@dataclass
class Evidence:
    """Arrays of one step for the rows that asked; `index` of a row in them is its order among those."""

    arrays: tuple[mx.array, ...]
    _lists: list[Any] | None = field(default=None, repr=False)

    def read(self, index: int) -> list[Any]:
        """One row of every array; the first reader of a step brings all of them over."""
        if self._lists is None:
            self._lists = [array.tolist() for array in self.arrays]
        return [values[index] for values in self._lists]


@dataclass(frozen=True)
class RowEvidence:
    """One row's part of a step's evidence."""

    index: int
    health: Evidence | None = None
    logprobs: Evidence | None = None

    def logits_check(self) -> LogitsCheck | None:
        """Whether the logits were sound."""
        if self.health is None:
            return None
        ((finite, constant),) = self.health.read(self.index)
        return LogitsCheck(finite, constant)

    def token_logprobs(self) -> TokenLogprobs | None:
        """The chosen token's log probability and the most likely alternatives."""
        if self.logprobs is None:
            return None
        chosen, ids, values = self.logprobs.read(self.index)
        found = [(token, _finite(value)) for token, value in zip(ids, values, strict=True)]
        return TokenLogprobs(_finite(chosen), sorted(found, key=lambda item: (-item[1], item[0])))


def gather_evidence(
    logits: mx.array, chosen: mx.array, rows: Sequence[RowRequest]
) -> list[RowEvidence | None]:
    """For logits [B, vocab] as the model gave them and the chosen ids [B]: evidence of the rows that ask."""
    found: list[RowEvidence | None] = [None] * len(rows)
    inspected = [index for index, row in enumerate(rows) if row.inspect_logits]
    if inspected:
        health = Evidence((logits_health(logits[mx.array(inspected)]),))
        for order, index in enumerate(inspected):
            found[index] = RowEvidence(order, health=health)
    asked = [index for index, row in enumerate(rows) if row.logprobs]
    if asked:
        at = mx.array(asked)
        logprobs = Evidence(_most_likely(logits[at], chosen[at]))
        for order, index in enumerate(asked):
            found[index] = RowEvidence(order, logprobs=logprobs)
    return found


def pending_arrays(evidence: Sequence[RowEvidence | None]) -> list[mx.array]:
    """Arrays to compute together with the step."""
    parts = [part for item in evidence if item is not None for part in (item.health, item.logprobs)]
    return [array for part in {id(part): part for part in parts if part}.values() for array in part.arrays]


def logits_health(logits: mx.array) -> mx.array:
    """[B, 2] booleans for logits [B, vocab]: all finite, all equal.

    Minus infinity is how some architectures (phi3small) rule out ids they never use, so it counts as finite.
    """
    finite = ~mx.any(mx.isnan(logits) | mx.isposinf(logits), axis=-1)
    constant = mx.max(logits, axis=-1) == mx.min(logits, axis=-1)
    return mx.stack([finite, constant], axis=-1)


def _most_likely(logits: mx.array, chosen: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """Log probability of the chosen ids [B], then ids and values [B, n] of the most likely ones.

    Always the same n, whatever the requests want: a row's result must not depend on its neighbours.
    """
    logits = logits.astype(mx.float32)
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    count = min(ALTERNATIVES, logits.shape[-1])
    ids = mx.argpartition(-logprobs, kth=count - 1, axis=-1)[:, :count]
    values = mx.take_along_axis(logprobs, ids, axis=-1)
    return mx.take_along_axis(logprobs, chosen[:, None], axis=-1)[:, 0], ids, values


def _finite(value: float) -> float:
    return value if math.isfinite(value) else IMPOSSIBLE
