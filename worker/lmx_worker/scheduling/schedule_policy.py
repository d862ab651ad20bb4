"""How much prompt work fits beside running streams, and which waiting prompt goes next. Pure decisions."""

from collections.abc import Sequence

from lmx_worker.engine.cache_budget import MAX_CHUNK_ALONE
from lmx_worker.scheduling.fairness import in_turn, rows_to_spare
from lmx_worker.scheduling.occupancy import Limits, Occupancy, Turns, WaitingRow

# A prompt chunk stalls every stream and delays every cancel: bounded in measured time and in tokens.
MAX_CHUNK_SECONDS = 2.0
COMFORTABLE_CHUNK_SECONDS = 0.25
FIRST_CHUNK_TOKENS = 128
MIN_CHUNK_BESIDE_STREAMS = 128
MAX_CHUNK_BESIDE_STREAMS = 512
MIN_CHUNK = 8
# Below this a measurement says more about overhead than about the rate.
MIN_MEASURED_TOKENS = 32
RATE_WEIGHT = 0.5

# Any number of prompts share one prefill while together they are small; beyond that only a few, and a long
# one shares it with at most one other. Together means padded: rows x longest.
MAX_ROWS_IN_PREFILL = 8
MAX_ROWS_BESIDE_LONG = 2
# A prompt that waited this long goes before shorter ones that came later.
AGEING_SECONDS = 2.0


class PrefillRate:
    """Prompt tokens per second as measured, a moving average; None before the first measurement."""

    def __init__(self) -> None:
        self.tokens_per_second: float | None = None

    def measured(self, tokens: int, seconds: float) -> None:
        """One step's prompt work."""
        if tokens < MIN_MEASURED_TOKENS or seconds <= 0:
            return
        rate = tokens / seconds
        known = self.tokens_per_second
        self.tokens_per_second = rate if known is None else known + RATE_WEIGHT * (rate - known)


def prefill_chunk(rate: float | None, *, rows_in_prefill: int, rows_decoding: int) -> int:
    """Prompt tokens per row for the next step, so that the whole step stays within MAX_CHUNK_SECONDS."""
    if rate is None:
        total = FIRST_CHUNK_TOKENS
    elif rows_decoding == 0:
        total = min(MAX_CHUNK_ALONE, int(rate * MAX_CHUNK_SECONDS))
    else:
        comfortable = int(rate * COMFORTABLE_CHUNK_SECONDS)
        wanted = max(MIN_CHUNK_BESIDE_STREAMS, min(MAX_CHUNK_BESIDE_STREAMS, comfortable))
        total = min(wanted, int(rate * MAX_CHUNK_SECONDS))
    return max(MIN_CHUNK, total // max(1, rows_in_prefill))


def choose_next(
    waiting: Sequence[WaitingRow],
    occupancy: Occupancy,
    limits: Limits,
    now: float,
    turns: Turns,
) -> int | None:
    """Index of the prompt to admit now, or None to wait.

    Owners take turns (fairness.py). Of one owner's prompts the shortest goes first of those whose caches fit,
    except that one which waited AGEING_SECONDS goes first, and when its caches do not fit nobody passes it:
    room only comes when rows leave. Rows count with the length they may reach, so that whoever is admitted
    can be finished.
    """
    if occupancy.rows >= limits.max_rows:
        return None
    for owner in in_turn(waiting, occupancy, limits.max_rows, turns.last):
        if occupancy.held[owner] > 0 and occupancy.rows >= limits.max_rows - turns.kept_places:
            continue
        own = [index for index, row in enumerate(waiting) if row.owner == owner]
        aged = [index for index in own if now - waiting[index].since >= AGEING_SECONDS]
        candidates = aged[:1] or own
        fitting = [index for index in candidates if _fits_cache(waiting[index], occupancy, limits)]
        if fitting:
            index = min(fitting, key=lambda i: (waiting[i].tokens, waiting[i].since))
            return index if _fits_prefill(waiting[index], occupancy) else None
        if aged:
            return None
    return None


def rows_to_interrupt(
    waiting: Sequence[WaitingRow],
    occupancy: Occupancy,
    limits: Limits,
    now: float,
    turns: Turns,
) -> Sequence[int]:
    """Which running rows make room for an owner that has none, as indices; none when that would not help.

    They belong to owners with more than one row and go on later, from the tokens they have.
    """
    order = in_turn(waiting, occupancy, limits.max_rows, turns.last)
    if not order or occupancy.held[order[0]] > 0:
        return ()
    own = [row for row in waiting if row.owner == order[0]]
    interrupted: list[int] = []
    for index in rows_to_spare(occupancy):
        interrupted.append(index)
        if choose_next(own, occupancy.without(interrupted), limits, now, turns) is not None:
            return interrupted
    return ()


def _fits_prefill(row: WaitingRow, occupancy: Occupancy) -> bool:
    """An owner without a row does not wait for the prompts of others: the chunk is shared by one more."""
    if occupancy.held[row.owner] == 0:
        return True
    lengths = [*occupancy.prefilling, row.tokens]
    if len(lengths) * max(lengths) <= MAX_CHUNK_BESIDE_STREAMS:
        return True
    allowed = MAX_ROWS_IN_PREFILL if max(lengths) <= MAX_CHUNK_BESIDE_STREAMS else MAX_ROWS_BESIDE_LONG
    return len(lengths) <= allowed


def _fits_cache(row: WaitingRow, occupancy: Occupancy, limits: Limits) -> bool:
    """The batch's caches are padded to its longest row.

    Alone in the engine anything may run: a row that could never fit was refused before.
    """
    if limits.cache is None or occupancy.rows == 0:
        return True
    longest = max(occupancy.longest_final_tokens, row.final_tokens)
    return limits.cache.holds(occupancy.rows + 1, longest)
