"""Which errors end the process instead of one request."""

import sys
import traceback

from lmx_worker.failure import fatal_cause, first_line


class EngineLost(Exception):
    """The engine cannot be trusted again; the process must end."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def check_engine(error: Exception) -> None:
    """Put an error on stderr.

    Raises:
        EngineLost: after this error neither device nor allocator can be trusted.
    """
    traceback.print_exception(error, file=sys.stderr)
    cause = fatal_cause(error)
    if cause is not None:
        raise EngineLost(cause, first_line(error)) from error
