"""What the worker's inspection makes of many model directories, in one process.

Reads one path per line from standard input and answers each with a line of JSON: the code it is refused with,
null when it is not.
"""

import contextlib
import json
import os
import sys

from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.inspect import inspect_model
from lmx_worker.wire.commands import Inspect

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def code_of(path: str) -> str | None:
    try:
        inspect_model(Inspect("m", path, None))
    except RequestFailure as failure:
        return failure.word
    return None


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        # Architectures print.
        with contextlib.redirect_stdout(sys.stderr):
            code = code_of(line.strip())
        print(json.dumps({"code": code}), file=answers, flush=True)


if __name__ == "__main__":
    main()
