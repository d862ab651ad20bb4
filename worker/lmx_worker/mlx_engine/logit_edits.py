"""Bias and penalties of a whole batch, as mlx_lm's logits processors and in their order.

The penalties look at the last tokens of a row, prompt included. What has been fed is known here; the token
being fed is still on the device and joins there, so the pipeline never waits.
"""

from collections.abc import Sequence
from itertools import chain

import mlx.core as mx

from lmx_worker.wire.commands import Sampling

# How far the presence and frequency penalties look back, in tokens: mlx_lm's default.
PENALTY_WINDOW = 20


class LogitEdits:
    """The edits of one set of rows. Rows without any are left alone, bit for bit."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        self._bias = Bias(rows)
        self._repetition = Window(
            {
                index: (row.repetition_penalty, row.repetition_context_size)
                for index, row in enumerate(rows)
                if row.repetition_penalty != 1
            }
        )
        self._presence = Window(
            {i: (row.presence_penalty, PENALTY_WINDOW) for i, row in enumerate(rows) if row.presence_penalty}
        )
        self._frequency = Window(
            {
                i: (row.frequency_penalty, PENALTY_WINDOW)
                for i, row in enumerate(rows)
                if row.frequency_penalty
            }
        )

    def __bool__(self) -> bool:
        return any((self._bias, self._repetition, self._presence, self._frequency))

    def apply(self, logits: mx.array, tokens: Sequence[Sequence[int]], fed: mx.array) -> mx.array:
        """Edited logits [B, vocab]; `tokens` are each row's tokens so far, `fed` [B] the ones after them."""
        if not self:
            return logits
        # Another handle: assigning changes the array that the caller still holds.
        logits = self._bias.add_to(mx.array(logits))
        if self._repetition:
            rows, ids, penalty = self._repetition.indices(tokens, fed, logits.dtype)
            seen = logits[rows, ids]
            # Assigned, not scattered: a token that occurs twice is penalised once.
            logits[rows, ids] = mx.where(seen < 0, seen * penalty, seen / penalty)
        if self._presence:
            rows, ids, penalty = self._presence.indices(tokens, fed, logits.dtype)
            logits[rows, ids] = logits[rows, ids] - penalty
        if self._frequency:
            rows, ids, penalty = self._frequency.indices(tokens, fed, logits.dtype)
            logits = logits.at[rows, ids].subtract(penalty)
        return logits


class Bias:
    """logit_bias of all rows as one scatter."""

    def __init__(self, rows: Sequence[Sampling]) -> None:
        entries = [
            (index, token, bias) for index, row in enumerate(rows) for token, bias in row.logit_bias.items()
        ]
        self._entries = [mx.array(list(column)) for column in zip(*entries, strict=True)]

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add_to(self, logits: mx.array) -> mx.array:
        """Logits [B, vocab] with every bias added."""
        if not self._entries:
            return logits
        rows, ids, values = self._entries
        return logits.at[rows, ids].add(values)


class Window:
    """A penalty over the last tokens of some rows: {row: (penalty, tokens it looks back)}."""

    def __init__(self, penalties: dict[int, tuple[float, int]]) -> None:
        self._penalties = penalties

    def __bool__(self) -> bool:
        return bool(self._penalties)

    def indices(
        self, tokens: Sequence[Sequence[int]], fed: mx.array, dtype: mx.Dtype
    ) -> tuple[mx.array, mx.array, mx.array]:
        """Row, token id and penalty of every token in a window, three arrays of one length."""
        known = {index: _last(tokens[index], size - 1) for index, (_, size) in self._penalties.items()}
        indices = list(self._penalties)
        rows = [index for index, window in known.items() for _ in window] + indices
        penalties = [self._penalties[index][0] for index in rows]
        ids = mx.array(list(chain.from_iterable(known.values())), dtype=mx.uint32)
        ids = mx.concatenate([ids, fed[mx.array(indices)].astype(mx.uint32)])
        return mx.array(rows), ids, mx.array(penalties, dtype=dtype)


def _last(tokens: Sequence[int], count: int) -> Sequence[int]:
    return tokens[-count:] if count else ()
