"""A worker's side of its process for chat templates: starts it, asks it, and ends what takes too long."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lmx_worker.engine.interface import ModelFacts
from lmx_worker.failure import RequestFailure
from lmx_worker.prompt.prompt_size import context_exceeded, most_characters
from lmx_worker.prompt.template_job import (
    MOST_CPU_SECONDS,
    MOST_EXTRA_BYTES,
    Job,
    Rendered,
    rendered_of,
    to_line,
)
from lmx_worker.prompt.template_process import READY

# The clock runs on while the process waits for a processor: so much longer than processor time.
MOST_SECONDS = 4.0 * MOST_CPU_SECONDS
# One that is late got no processor time, which is bounded far below: the prompt is tried with another one.
MOST_PROCESSES = 2
# Importing transformers takes half a second, and much longer on a machine that is short of everything.
MOST_START_SECONDS = 60.0
PACKAGE_PARENT = str(Path(__file__).parents[2])


class TemplateFailure(Exception):
    """What the template raised; `error_type` names the exception it was."""

    def __init__(self, message: str, error_type: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Renderer:
    """Owns the process, which is one of the preparation thread's. `begin` a prompt, then render its forms."""

    def __init__(self, facts: ModelFacts, longest_token_bytes: int) -> None:
        self._facts = facts
        self._most_characters = most_characters(longest_token_bytes, facts)
        self._cpu_seconds_left: float = MOST_CPU_SECONDS
        self._is_ready = False
        self._is_late = False
        self._process = self._start()

    def begin(self) -> None:
        """A new prompt, with all of the time that one may take."""
        self._cpu_seconds_left = MOST_CPU_SECONDS

    def render(self, template: str, messages: list[Any], arguments: dict[str, Any]) -> str:
        """The text of a conversation.

        Raises:
            TemplateFailure: what the template raised.
            RequestFailure: it ran into a bound, or the process got no processor time; other forms of the
                prompt need not be tried.
        """
        job = Job(template, messages, arguments, self._cpu_seconds_left, self._most_characters)
        rendered = self._ask(to_line(job))
        self._cpu_seconds_left = max(0.0, self._cpu_seconds_left - rendered.cpu_seconds)
        match rendered:
            case Rendered(bound="memory"):
                self._replace()
                raise _too_much(f"more than {MOST_EXTRA_BYTES // 1024**2} MiB of memory")
            case Rendered(bound="characters", characters=count):
                raise context_exceeded(
                    f"{count} characters, of which at most {self._most_characters} fit", self._facts
                )
            case Rendered(text=str(text)):
                return text
            case _:
                raise TemplateFailure(rendered.error, rendered.error_type)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            # What could not be written is still buffered.
            with suppress(OSError):
                pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        """Does not wait until it can be asked: its imports take half a second."""
        self._is_ready = False
        return subprocess.Popen(
            [sys.executable, "-m", "lmx_worker.prompt.template_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
        )

    def _replace(self) -> None:
        self.close()
        self._process = self._start()

    def _ask(self, line: bytes) -> Rendered:
        """Its answer, or that of the next process when the first gets no processor time.

        Raises:
            RequestFailure: the process ended; server_is_overloaded when the next one was late as well.
        """
        for _ in range(MOST_PROCESSES):
            answer = self._ask_once(line)
            if answer.endswith(b"\n"):
                return rendered_of(answer)
            if not self._is_late:
                raise self._ended()
            self._replace()
        raise RequestFailure(
            "server_is_overloaded",
            f"The machine is too busy to render the conversation within {MOST_SECONDS:.0f} seconds; "
            "try again.",
        )

    def _ask_once(self, line: bytes) -> bytes:
        # While nothing was asked of it: the system takes its memory first. No prompt is to blame for that.
        if self._process.poll() is not None:
            self._replace()
        if not self._is_ready:
            self._await_ready()
        return self._within(MOST_SECONDS, lambda: self._exchange(line))

    def _await_ready(self) -> None:
        if self._within(MOST_START_SECONDS, self._read) != READY:
            self._replace()
            raise RequestFailure("internal_error", "The process for chat templates did not start; try again.")
        self._is_ready = True

    def _within(self, seconds: float, exchange: Callable[[], bytes]) -> bytes:
        """The result, or what there is of it when the process is killed because the time is up."""
        self._is_late = False
        timer = threading.Timer(seconds, self._end_late)
        timer.start()
        try:
            return exchange()
        finally:
            timer.cancel()

    def _end_late(self) -> None:
        self._is_late = True
        self._process.kill()

    def _exchange(self, line: bytes) -> bytes:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            return b""
        return self._read()

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _ended(self) -> RequestFailure:
        """By a bound, by the system, or by itself; the next prompt has another process."""
        code = self._process.wait()
        self._replace()
        if code == -signal.SIGXCPU:
            return _too_much(f"more than {MOST_CPU_SECONDS} seconds of processor time")
        if code == -signal.SIGKILL:
            return _too_much("more than the machine's memory")
        return _too_much(f"what ended its process (exit code {code})")


def _too_much(what: str) -> RequestFailure:
    return RequestFailure(
        "invalid_request_error",
        f"Rendering the conversation with the model's chat template took {what}; shorten the conversation, "
        "its tools or chat_template_kwargs.",
        param="prompt",
    )
