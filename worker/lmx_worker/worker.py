"""Composition: pipe, threads, engine and scheduler of one worker process, and how it ends."""

import os
import signal
import sys
import threading
import traceback
from queue import SimpleQueue
from typing import Any

from lmx_worker.failure import RequestFailure
from lmx_worker.lifeline import Deadman
from lmx_worker.scheduling.dispatcher import Inbox, Scheduler, StopSignal
from lmx_worker.status import Status
from lmx_worker.wire.commands import Ping, Shutdown
from lmx_worker.wire.protocol import MAX_LINE_IN_BYTES, Call, RejectedCall, parse_call
from lmx_worker.wire.transport import Outbox, read_lines

# After the supervisor has gone during an orderly end, this long until the process goes too.
ORPHANED_SHUTDOWN_SECONDS = 5.0


def run_worker(commands_fd: int, replies_fd: int) -> None:
    """Serve one conversation and end the process; never returns."""
    threading.excepthook = _end_after
    outbox = Outbox(replies_fd, on_broken_pipe=lambda: os._exit(0))
    inbox: Inbox = SimpleQueue()
    status = Status()
    deadman = Deadman.from_environment()
    reader = Reader(commands_fd, outbox, inbox, status, deadman)
    threading.Thread(target=outbox.run, name="write", daemon=True).start()
    threading.Thread(target=reader.run, name="read", daemon=True).start()
    # SimpleQueue.put may be called from a signal handler; the handler runs between two steps.
    signal.signal(signal.SIGTERM, lambda *_: _request_stop(status, inbox))

    from lmx_worker.mlx_engine import MlxEngine

    scheduler = Scheduler(MlxEngine(), outbox.send, inbox, status, on_initialized=deadman.arm)
    exit_code = scheduler.run()
    outbox.flush(ORPHANED_SHUTDOWN_SECONDS)
    sys.stderr.flush()
    # Not a normal interpreter exit: tearing down native threads and streams in module order can crash.
    os._exit(exit_code)


def _end_after(lost: threading.ExceptHookArgs) -> None:
    """Without one of its threads the process hears or says nothing any more; its last words are why."""
    try:
        # What its frames hold may be what the memory has run out for.
        traceback.clear_frames(lost.exc_traceback)
        traceback.print_exception(lost.exc_value, file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(1)


def _request_stop(status: Status, inbox: Inbox) -> None:
    status.stop_requested = True
    inbox.put(StopSignal())


class Reader:
    """The reader thread: parses lines, answers pings itself, hands on the rest. Never blocks on a write."""

    def __init__(self, fd: int, outbox: Outbox, inbox: Inbox, status: Status, deadman: Deadman) -> None:
        self._fd = fd
        self._outbox = outbox
        self._inbox = inbox
        self._status = status
        self._deadman = deadman
        self._shutdown_seen = False

    def run(self) -> None:
        """Read to the end of input, which ends the process: without a supervisor nobody wants the results."""
        try:
            for line in read_lines(lambda size: os.read(self._fd, size), MAX_LINE_IN_BYTES):
                self._handle(line)
        except OSError as error:
            print(f"lmx_worker: reading commands failed: {error}", file=sys.stderr, flush=True)
        if self._shutdown_seen:
            # An orderly end is under way and the supervisor closed its side behind the request.
            threading.Event().wait(ORPHANED_SHUTDOWN_SECONDS)
        os._exit(0)

    def _handle(self, line: bytes | None) -> None:
        if line is None:
            failure = RequestFailure(
                "request_too_large", f"The line is longer than {MAX_LINE_IN_BYTES} bytes."
            )
            self._answer(None, error=failure.as_error())
        elif line.strip():
            try:
                self._dispatch(parse_call(line))
            except RejectedCall as rejected:
                self._answer(rejected.call_id, error=rejected.failure.as_error())

    def _dispatch(self, call: Call) -> None:
        match call.command:
            case Ping():
                self._deadman.touch()
                self._answer(call.id, result=self._status.ping())
            case Shutdown():
                self._shutdown_seen = True
                self._deadman.disarm()
                self._status.stop_requested = True
                self._inbox.put(call)
            case _:
                self._inbox.put(call)

    def _answer(self, call_id: int | str | None, **body: Any) -> None:
        self._outbox.send_now({"jsonrpc": "2.0", "id": call_id, **body})
