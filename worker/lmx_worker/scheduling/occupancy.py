"""Who waits for the engine, who is in it, and how much there may be: what decisions about rows rest on."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lmx_worker.engine.cache_budget import CacheBudget


@dataclass(frozen=True)
class WaitingRow:
    """A prompt not yet in the engine: its length, `since` in monotonic seconds, and its length at the end."""

    tokens: int
    since: float
    final_tokens: int
    owner: str = ""


@dataclass(frozen=True)
class RunningRow:
    """A row of the engine: its length so far, its length at the end, and whether its prompt is in prefill."""

    tokens: int
    final_tokens: int
    prefilling: bool
    owner: str = ""


@dataclass(frozen=True)
class Occupancy:
    """The rows of the engine, in order of arrival."""

    running: Sequence[RunningRow]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.running)

    @cached_property
    def held(self) -> Counter[str]:
        """How many each owner has."""
        return Counter(row.owner for row in self.running)

    @cached_property
    def longest_final_tokens(self) -> int:
        """How long the longest may become."""
        return max((row.final_tokens for row in self.running), default=0)

    @cached_property
    def prefilling(self) -> Sequence[int]:
        """Lengths of the prompts in prefill."""
        return [row.tokens for row in self.running if row.prefilling]

    def without(self, indices: Collection[int]) -> "Occupancy":
        """The same without some of the rows."""
        return Occupancy([row for index, row in enumerate(self.running) if index not in indices])


@dataclass(frozen=True)
class Limits:
    """Rows at once, and what their caches may take; None: no limit beyond the rows."""

    max_rows: int
    cache: CacheBudget | None = None


@dataclass(frozen=True)
class Turns:
    """What is remembered of owners: the number of each one's last admission, and places kept for such as were
    here a moment ago, which nobody gets who has a row."""

    last: Mapping[str, int] = field(default_factory=dict)
    kept_places: int = 0
