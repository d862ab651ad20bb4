"""How many requests of one owner may wait for room in the caches."""

from lmx_worker.engine.cache_budget import batch_bytes
from lmx_worker.failure import RequestFailure
from lmx_worker.scheduling.occupancy import Limits, Occupancy

# As many answers as one HTTP request may ask for (MAX_CHOICES of Completions): an idle model takes them all.
MIN_WAITING = 128
WAITING_PER_ROW = 4


def max_waiting(limits: Limits) -> int:
    """Requests of one owner that may wait, beside those that run."""
    return max(MIN_WAITING, WAITING_PER_ROW * limits.max_rows)


def check_queue(waiting: int, occupancy: Occupancy, limits: Limits, final_tokens: int) -> None:
    """Refuse one more request when too many of its owner wait already; only where caches are limited.

    Raises:
        RequestFailure: rate_limit_exceeded naming the bytes that are held, needed and available.
    """
    cache = limits.cache
    if cache is None or waiting < max_waiting(limits):
        return
    held = batch_bytes(cache.caches, occupancy.rows, occupancy.longest_final_tokens)
    longest = max(occupancy.longest_final_tokens, final_tokens)
    needed = batch_bytes(cache.caches, occupancy.rows + 1, longest)
    raise RequestFailure(
        "rate_limit_exceeded",
        f"{waiting} requests of yours wait already. The caches of the {occupancy.rows} running ones hold up "
        f"to {held} of {cache.total_bytes} bytes, with this one they would need {needed}; try again later.",
        waiting=waiting,
        held_bytes=held,
        needed_bytes=needed,
        available_bytes=cache.total_bytes,
    )
