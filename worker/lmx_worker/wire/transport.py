"""The two ends of the pipe: lines in, messages out. Knows bytes and JSON, not what they mean."""

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from lmx_worker.wire.protocol import MAX_LINE_OUT_BYTES

READ_BYTES = 256 * 1024
# What may wait for a supervisor that does not read; beyond it the engine waits too.
MAX_QUEUED_BYTES = 2 * MAX_LINE_OUT_BYTES
# Room above that for answers which must not wait, such as pings.
RESERVED_BYTES = 64 * 1024


def read_lines(read: Callable[[int], bytes], max_bytes: int) -> Iterator[bytes | None]:
    """Lines without their newline until end of input; None in place of a line longer than `max_bytes`.

    Only the new chunk is scanned, and an overlong line is thrown away as it arrives.
    """
    pending: list[bytes] = []
    size = 0
    overlong = False
    while chunk := read(READ_BYTES):
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            overlong = overlong or size + len(piece) > max_bytes
            yield None if overlong else b"".join((*pending, piece))
            pending, size, overlong = [], 0, False
        size += len(rest)
        overlong = overlong or size > max_bytes
        if overlong:
            pending = []
        elif rest:
            pending.append(rest)


def encode(message: dict[str, Any]) -> bytes:
    """One line of UTF-8 with its newline; what cannot be encoded becomes a question mark."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


class Outbox:
    """Messages waiting for the writer thread, bounded in bytes.

    `on_broken_pipe` is called by the writer thread when the other end is gone.
    """

    def __init__(
        self, write_fd: int, on_broken_pipe: Callable[[], None], max_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        self._fd = write_fd
        self._on_broken_pipe = on_broken_pipe
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; blocks while the supervisor is too far behind, so memory stays bounded.

        Raises:
            ValueError: the line is longer than the protocol allows.
        """
        line = encode(message)
        if len(line) > MAX_LINE_OUT_BYTES:
            raise ValueError(f"a line of {len(line)} bytes is longer than the protocol allows")
        with self._changed:
            self._changed.wait_for(lambda: self._queued_bytes < self._max_bytes)
            self._append(line)

    def send_now(self, message: dict[str, Any]) -> bool:
        """Queue a small answer without ever blocking; False when there is no room for it either."""
        line = encode(message)
        with self._changed:
            if self._queued_bytes + len(line) > self._max_bytes + MAX_LINE_OUT_BYTES + RESERVED_BYTES:
                return False
            self._append(line)
            return True

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything is written; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._queued_bytes == 0, timeout_seconds)

    def run(self) -> None:
        """The writer thread: one write for all lines that are waiting."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines))
                data = b"".join(self._lines)
                self._lines.clear()
            try:
                _write_all(self._fd, data)
            except OSError:
                self._on_broken_pipe()
                return
            with self._changed:
                self._queued_bytes -= len(data)
                self._changed.notify_all()

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._queued_bytes += len(line)
        self._changed.notify_all()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
