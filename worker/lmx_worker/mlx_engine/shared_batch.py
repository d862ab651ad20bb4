"""Whether rows of one batch get what they get alone: some architectures of mlx_lm take a single row only.

Most of those raise in every step that has two rows, a few compute something else without a word. So a loaded
model is tried once, with three short rows of which one joins while the others decode.
"""

from collections.abc import Callable, Sequence

from lmx_worker.engine.interface import RowRequest, TokenLogprobs
from lmx_worker.failure import fatal_cause, first_line
from lmx_worker.mlx_engine.batch import Batch

# Three rows: a mask laid over heads instead of rows fits, and goes unnoticed, where both are as many, mostly
# 2, 4 or 8. One token is the shortest prompt: whoever keeps the last few has fewer of it than of the others.
FIRST_LENGTHS, LATER_LENGTH = (9, 4), 1
MAX_TOKENS = 6
PREFILL_CHUNK = 8
# Of the likeliest tokens alone at least this part must be among the likeliest in the batch. Rounding differs
# between one row and several, in 4 bits or with experts by more than the last digit, and that moves a few of
# them; what is found here is the answer to another question. Reduced models keep 0.95 or more, in bf16 and in
# 4 bits too.
KEPT_SHARE = 0.5

# Where in the vocabulary the tokens come from: at its beginning are special ones, behind which anything may
# follow. A difference must show at both places, an exception at one.
PLACES = (1 / 3, 2 / 3)

# By module of the architecture: wrong, but too little to be told from rounding here.
KNOWN = {
    "mlx_lm.models.afm7": "layers that reuse keys rotate their queries by the length of the longest row",
}


def why_single_row(model: object, make_batch: Callable[[], Batch], vocab_size: int) -> str | None:
    """What goes wrong when rows share a batch; None: nothing.

    Raises:
        Exception: the device or allocator failed.
    """
    known = KNOWN.get(type(model).__module__)
    if known is not None:
        return known
    kept = 0.0
    for place in PLACES:
        try:
            kept = _kept_beside_others(make_batch, vocab_size, int(vocab_size * place))
        except Exception as error:
            if fatal_cause(error) is not None:
                raise
            return f"{type(error).__name__}: {first_line(error)}"
        if kept >= KEPT_SHARE:
            return None
    return f"of its likeliest tokens a row keeps {kept:.0%} beside others"


def _kept_beside_others(make_batch: Callable[[], Batch], vocab_size: int, begin: int) -> float:
    """Of three rows the smallest share of its likeliest tokens alone that a row keeps beside the others."""
    first = [_row(vocab_size, length, begin + start * 17) for start, length in enumerate(FIRST_LENGTHS)]
    later = _row(vocab_size, LATER_LENGTH, begin + len(first) * 17)
    alone = [_evidence(make_batch(), [row])[0] for row in (*first, later)]
    together = _evidence(make_batch(), first, later)
    return min(_kept(*pair) for pair in zip(alone, together, strict=True))


def _row(vocab_size: int, length: int, start: int) -> RowRequest:
    # Not all the same.
    tokens = [(start + place * 5) % vocab_size for place in range(length)]
    return RowRequest(tokens, length, MAX_TOKENS, logprobs=True)


def _evidence(
    batch: Batch, rows: Sequence[RowRequest], later: RowRequest | None = None
) -> list[TokenLogprobs]:
    """Of each row's first token, in this order; `later` joins when the others have theirs."""
    numbers = [batch.insert(row) for row in rows]
    found: dict[int, TokenLogprobs] = {}
    while len(found) < len(numbers):
        for token in batch.step(PREFILL_CHUNK).tokens:
            assert token.logprobs is not None
            found.setdefault(token.row, token.logprobs)
        if later is not None and len(found) == len(numbers):
            numbers.append(batch.insert(later))
            later = None
    batch.close()
    return [found[number] for number in numbers]


def _kept(alone: TokenLogprobs, together: TokenLogprobs) -> float:
    """Share of the likeliest tokens alone that are among the likeliest in the batch."""
    before, after = ({token for token, _ in evidence.top} for evidence in (alone, together))
    return len(before & after) / len(before)
