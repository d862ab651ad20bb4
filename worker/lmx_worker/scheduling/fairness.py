"""Whose turn it is when requests of several owners want rows, and who can spare some. Pure decisions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lmx_worker.scheduling.occupancy import Occupancy, WaitingRow


def in_turn(
    waiting: Sequence[WaitingRow], occupancy: Occupancy, max_rows: int, turns: Mapping[str, int]
) -> Sequence[str]:
    """The owners that may be given a row, in this order: who has fewest rows, then whose last turn is oldest.

    While somebody waits who has less than an equal share of the rows, those who have it are given no more.
    """
    held = occupancy.held
    owners = dict.fromkeys(row.owner for row in waiting)
    share = max(1, max_rows // max(1, len(owners.keys() | held.keys())))
    order = sorted(owners, key=lambda owner: (held[owner], turns.get(owner, 0)))
    return [owner for owner in order if held[owner] < share] or order


def rows_to_spare(occupancy: Occupancy) -> Iterator[int]:
    """Indices of rows that can be interrupted, in this order, and never an owner's last one.

    Each is of the owner with the most rows then, and its shortest: computing that again costs least.
    """
    left = dict(enumerate(occupancy.running))
    while left:
        owner, rows = Counter(row.owner for row in left.values()).most_common(1)[0]
        if rows == 1:
            return
        index = min((i for i, row in left.items() if row.owner == owner), key=lambda i: (left[i].tokens, -i))
        del left[index]
        yield index
