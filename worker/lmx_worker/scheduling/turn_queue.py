"""A queue in which every owner has its turn: what one owner queues delays no other by more than one entry."""

import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class TurnQueue(Generic[T]):
    """Round robin over owners, in order of arrival within each. Any thread may put, any may take."""

    def __init__(self) -> None:
        # The owner whose turn is next comes first; only owners with entries are kept.
        self._entries: OrderedDict[str, deque[T]] = OrderedDict()
        self._changed = threading.Condition()

    def put(self, owner: str, entry: T) -> None:
        """Behind all entries of the same owner."""
        with self._changed:
            self._entries.setdefault(owner, deque()).append(entry)
            self._changed.notify()

    def take(self) -> T:
        """The next entry of the owner whose turn it is; waits for one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._entries))
            owner, entries = self._entries.popitem(last=False)
            entry = entries.popleft()
            if entries:
                self._entries[owner] = entries
            return entry
