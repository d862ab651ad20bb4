"""The descriptors a worker speaks its protocol through, out of reach of what libraries print and ask."""

import os
import sys


def claim_pipes() -> tuple[int, int]:
    """Move stdin and stdout to private descriptors: (read from here, write to here).

    Must run before any other import. Libraries print to stdout and may ask questions on stdin; afterwards
    they write to stderr and read nothing.
    """
    commands, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    os.set_blocking(commands, True)
    os.set_blocking(replies, True)
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return commands, replies
