"""What ends this process when nobody else can: parent death, signals, and the deadman timer."""

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
DEADMAN_DEFAULT_SECONDS = 90.0
DEADMAN_VARIABLE = "OPTA_LMX_DEADMAN_SECONDS"


def die_with_parent() -> None:
    """Ask Linux to SIGKILL us when the parent dies. Elsewhere end of input on the command pipe has to do."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the request took effect: then we were adopted and no signal will come.
    if os.getppid() != parent:
        os._exit(0)


def guard_signals() -> None:
    """Ignore what a terminal sends to its whole group; dump all stacks on SIGUSR1 and on a crash."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    faulthandler.enable(all_threads=True)
    faulthandler.register(signal.SIGUSR1, all_threads=True)


class Deadman:
    """Ends the process when no ping came for a while, even if a thread holds the GIL for ever.

    The timer is a C thread of faulthandler. Seconds come from OPTA_LMX_DEADMAN_SECONDS; 0 switches it off.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._armed = False

    @classmethod
    def from_environment(cls) -> "Deadman":
        """Unset or unreadable means the default."""
        try:
            return cls(float(os.environ.get(DEADMAN_VARIABLE, DEADMAN_DEFAULT_SECONDS)))
        except ValueError:
            return cls(DEADMAN_DEFAULT_SECONDS)

    def arm(self) -> None:
        """Start counting; before this, pings do nothing (imports may take long on a slow disk)."""
        self._armed = True
        self.touch()

    def touch(self) -> None:
        """A sign of life from the supervisor: count from zero again."""
        if self._armed and self._seconds > 0:
            # No memory for the timer's thread: the process still works, and the next ping tries again.
            with contextlib.suppress(RuntimeError):
                faulthandler.dump_traceback_later(self._seconds, exit=True)

    def disarm(self) -> None:
        """Stop counting: an orderly end has begun, and the supervisor's stop ladder watches it."""
        self._armed = False
        faulthandler.cancel_dump_traceback_later()
