import pytest

from lmx_worker.engine.cache_budget import MAX_CHUNK_ALONE, CacheBudget, CacheFootprint
from lmx_worker.scheduling.occupancy import Limits, Occupancy, RunningRow, Turns, WaitingRow
from lmx_worker.scheduling.schedule_policy import (
    MIN_CHUNK,
    PrefillRate,
    choose_next,
    prefill_chunk,
)

NO_LIMIT = Limits(max_rows=32)
EMPTY = Occupancy([])


def occupied(rows: int, final_tokens: int, prefilling: list[int]) -> Occupancy:
    """So many rows that may become so long; those in prefill have prompts of these lengths."""
    lengths = [*prefilling, *[1] * (rows - len(prefilling))]
    return Occupancy([RunningRow(n, final_tokens, i < len(prefilling)) for i, n in enumerate(lengths)])


@pytest.mark.parametrize(
    ("rate", "prefilling", "decoding", "chunk"),
    [
        (None, 1, 0, 128),  # nothing measured yet
        (None, 4, 3, 32),
        (100_000, 1, 0, MAX_CHUNK_ALONE),
        (300, 1, 0, 600),  # two seconds of work, alone
        (100_000, 1, 5, 512),  # beside streams
        (1_000, 1, 5, 250),
        (170, 1, 5, 128),
        (40, 1, 5, 80),  # a slow machine: two seconds are two seconds
        (1, 1, 5, MIN_CHUNK),
        (1_000, 2, 5, 125),  # shared by the rows in prefill
    ],
)
def test_a_chunk_is_bounded_in_time_and_tokens(
    rate: float | None, prefilling: int, decoding: int, chunk: int
) -> None:
    assert prefill_chunk(rate, rows_in_prefill=prefilling, rows_decoding=decoding) == chunk


def test_the_rate_follows_measurements_and_ignores_tiny_ones() -> None:
    rate = PrefillRate()
    rate.measured(5, 1.0)
    rate.measured(500, 0.0)
    assert rate.tokens_per_second is None
    rate.measured(100, 1.0)
    rate.measured(300, 1.0)
    assert rate.tokens_per_second == 200


def choose(
    *tokens: int, occupancy: Occupancy = EMPTY, limits: Limits = NO_LIMIT, ages: float = 0, more: int = 0
) -> int | None:
    waiting = [WaitingRow(length, since=10.0, final_tokens=length + more) for length in tokens]
    return choose_next(waiting, occupancy, limits, now=10.0 + ages, turns=Turns())


def test_the_shortest_goes_first_until_one_has_waited_long() -> None:
    assert choose(900, 20, 50) == 1
    assert choose(900, 20, 50, ages=60) == 0
    assert choose() is None


def test_rows_are_limited() -> None:
    assert choose(5, occupancy=occupied(32, 10, [])) is None
    assert choose(5, occupancy=occupied(31, 10, [])) == 0


def test_short_prompts_share_a_prefill_and_a_long_one_has_one_companion() -> None:
    assert choose(5, occupancy=occupied(30, 10, [10] * 30)) == 0
    assert choose(5, occupancy=occupied(7, 100, [100] * 7)) == 0
    assert choose(5, occupancy=occupied(8, 100, [100] * 8)) is None
    assert choose(5, occupancy=occupied(1, 9000, [9000])) == 0
    assert choose(5, occupancy=occupied(2, 9000, [9000, 10])) is None
    assert choose(9000, occupancy=occupied(2, 10, [10, 10])) is None


def limited_to(tokens: int) -> Limits:
    """Caches of one byte a token; 255 tokens are held back for each row of a batch."""
    return Limits(32, CacheBudget((CacheFootprint("KVCache", 1, 0, 1, None),), tokens))


def test_the_padded_cache_is_what_counts() -> None:
    """Trap e: fifteen short rows beside one of 8000 tokens cost sixteen times 8000."""
    limits = limited_to(2 * (8000 + 255))
    assert choose(100, occupancy=occupied(15, 200, []), limits=limits) == 0
    assert choose(8000, occupancy=occupied(15, 200, []), limits=limits) is None
    assert choose(8000, occupancy=occupied(1, 200, []), limits=limits) == 0
    assert choose(100, occupancy=occupied(2, 8000, []), limits=limits) is None
    assert choose(20_000, limits=limits) == 0, "alone in the engine anything may run"


def test_a_row_counts_with_the_length_it_may_reach() -> None:
    limits = limited_to(2 * (1000 + 255))
    assert choose(10, occupancy=occupied(1, 1000, []), limits=limits, more=990) == 0
    assert choose(10, occupancy=occupied(1, 1000, []), limits=limits, more=991) is None


def test_a_row_without_room_is_passed_until_it_has_waited_long() -> None:
    limits, occupancy = limited_to(2 * (1000 + 255)), occupied(1, 500, [])
    waiting = [WaitingRow(10, 10.0, 5000), WaitingRow(20, 10.5, 30)]
    assert choose_next(waiting, occupancy, limits, now=11.0, turns=Turns()) == 1
    assert choose_next(waiting, occupancy, limits, now=12.1, turns=Turns()) is None
    assert choose_next(waiting, EMPTY, limits, now=12.1, turns=Turns()) == 0
