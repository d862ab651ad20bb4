"""`python -m lmx_worker.prompt.template_process`: renders chat templates, and may be killed while it does.

A template is a program of the model's author that a request feeds. In a thread nothing could end it: one
string operation may take all memory, or hold the interpreter for minutes.
"""

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path
from time import process_time
from typing import Any

from lmx_worker.failure import first_line
from lmx_worker.lifeline import die_with_parent
from lmx_worker.pipes import claim_pipes
from lmx_worker.prompt.template_job import MOST_EXTRA_BYTES, Job, Rendered, job_of, to_line

READY = b"ready\n"


def main() -> None:
    """Answer jobs until end of input, or until one took more memory than it may."""
    jobs, replies = claim_pipes()
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    from transformers.utils.chat_template_utils import render_jinja_template

    _bound_process()
    with os.fdopen(jobs, "rb") as lines, os.fdopen(replies, "wb", buffering=0) as answers:
        answers.write(READY)
        for line in lines:
            rendered = _answer(job_of(line), render_jinja_template)
            answers.write(to_line(rendered))
            if rendered.bound == "memory":
                return


def _answer(job: Job, render: Any) -> Rendered:
    started = process_time()
    _bound_cpu(started + job.cpu_seconds)
    try:
        (text,), _ = render([job.messages], chat_template=job.template, **job.arguments)
    except MemoryError:
        return Rendered(bound="memory")
    except Exception as error:  # a template raises anything
        return Rendered(
            error=first_line(error), error_type=type(error).__name__, cpu_seconds=process_time() - started
        )
    taken = process_time() - started
    if len(text) > job.most_characters:
        return Rendered(bound="characters", characters=len(text), cpu_seconds=taken)
    return Rendered(text, cpu_seconds=taken)


def _bound_process() -> None:
    """No core files, the first to go when the machine's memory is short, and only so much memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + MOST_EXTRA_BYTES)


def _bound_cpu(until_seconds: float) -> None:
    """SIGXCPU ends the process at the first whole second of processor time behind this one."""
    _lower(resource.RLIMIT_CPU, int(until_seconds) + 1)


def _lower(kind: int, wanted: int) -> None:
    """The soft limit alone, so that the next job may have another."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    main()
