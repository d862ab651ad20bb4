"""The shipped worker, which on demand goes wrong: OPTA_LMX_WORKER_DIRECTORY of the soak points here.

A file `soak-habit` in the worker's temporary directory names what it does next. All other modules are the
shipped ones.
"""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[4] / "worker" / "lmx_worker")]

LOOK_SECONDS = 0.1
GARBAGE_LINES = 30
# Over the 8 MiB a line may have.
ENDLESS_BYTES = 9 * 1024 * 1024

# The C library, with the GIL kept during calls.
WITH_GIL = ctypes.PyDLL(None)
# A copy: the worker will point the descriptor itself elsewhere.
REPLIES = os.dup(1)


def go_wrong(habit: str) -> None:
    """Do what no worker should."""
    match habit:
        case "garbage":
            for number in range(GARBAGE_LINES):
                os.write(REPLIES, f"\nloading shard {number} of {GARBAGE_LINES}\n".encode())
        case "endless-line":
            # In one go, and with the GIL held, so that no message of the worker gets in between and ends it.
            WITH_GIL.write(REPLIES, b"\n" + b"x" * ENDLESS_BYTES, ENDLESS_BYTES)
        case "hold-gil":
            WITH_GIL.sleep(3600)
        case "stall":
            os.kill(os.getpid(), signal.SIGUSR2)
        case _:
            raise ValueError(f"expected a habit, got {habit!r}")


def watch(file: Path) -> None:
    """Wait for the file, for ever."""
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            habit = file.read_text("utf-8")
        except OSError:
            continue
        file.unlink(missing_ok=True)
        go_wrong(habit)


# Python's handlers run on the main thread, where the engine is: pings are still answered, nothing is computed.
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(3600))
threading.Thread(target=watch, args=(Path(os.environ["TMPDIR"]) / "soak-habit",), daemon=True).start()
