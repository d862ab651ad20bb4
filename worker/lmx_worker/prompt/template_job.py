"""What is said between a worker and its process for chat templates: one line of JSON each way."""

import json
from dataclasses import asdict, dataclass
from typing import Any

# Processor time that rendering one prompt may take, all its forms together. The largest conversation a
# request may bring takes a second.
MOST_CPU_SECONDS = 5
# What the process may take beyond what it has before its first job. Linux only: macOS does not enforce it.
MOST_EXTRA_BYTES = 512 * 1024**2


@dataclass(frozen=True)
class Job:
    """A template, and what `render_jinja_template` of transformers is given with it."""

    template: str
    messages: list[Any]
    arguments: dict[str, Any]
    cpu_seconds: float
    most_characters: int


@dataclass(frozen=True)
class Rendered:
    """The text, or why there is none: an error of the template, or a bound it ran into.

    `error` is an exception's first line and `error_type` its name; `bound` is `memory` or `characters`, the
    length of the text.
    """

    text: str | None = None
    characters: int = 0
    error: str = ""
    error_type: str = ""
    bound: str | None = None
    cpu_seconds: float = 0.0


def to_line(message: Job | Rendered) -> bytes:
    """As a line; lone surrogates of a client's template arguments pass through."""
    return json.dumps(asdict(message), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def job_of(line: bytes) -> Job:
    """Back from a line."""
    return Job(**json.loads(line.decode("utf-8", "surrogatepass")))


def rendered_of(line: bytes) -> Rendered:
    """Back from a line."""
    return Rendered(**json.loads(line.decode("utf-8", "surrogatepass")))
