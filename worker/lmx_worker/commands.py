"""What the supervisor asks for, as checked values."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MessagesPrompt:
    """A conversation to be rendered by the model's chat template."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...]
    chat_template_kwargs: dict[str, Any]

    @property
    def tool_names(self) -> frozenset[str]:
        """Names a tool call may have."""
        return frozenset(tool["function"]["name"] for tool in self.tools)


@dataclass(frozen=True)
class TextPrompt:
    """Plain text, tokenised as it is."""

    text: str


@dataclass(frozen=True)
class TokenPrompt:
    """Token ids, used as they are."""

    token_ids: tuple[int, ...]


Prompt = MessagesPrompt | TextPrompt | TokenPrompt


@dataclass(frozen=True)
class Sampling:
    """temperature 0..2 (0 = greedy), top_p in (0, 1], seed 0..2**53-1."""

    temperature: float
    top_p: float
    seed: int


@dataclass(frozen=True)
class Initialize:
    """Start of the conversation."""

    protocol_version: int


@dataclass(frozen=True)
class Load:
    """Read one model. `path` is an absolute directory, `max_context_tokens` None: as configured."""

    model_id: str
    path: str
    max_context_tokens: int | None
    max_concurrency: int


@dataclass(frozen=True)
class Canary:
    """A short greedy run; prompt None: a default one."""

    prompt: str | None
    max_tokens: int


@dataclass(frozen=True)
class Generate:
    """One completion; max_tokens None: as many as the context holds."""

    request_id: str
    prompt: Prompt
    sampling: Sampling
    max_tokens: int | None


@dataclass(frozen=True)
class Cancel:
    """End a running completion."""

    request_id: str


@dataclass(frozen=True)
class Ping:
    """Sign of life."""


@dataclass(frozen=True)
class Stats:
    """Counters and memory."""


@dataclass(frozen=True)
class Shutdown:
    """Orderly end."""


Command = Initialize | Load | Canary | Generate | Cancel | Ping | Stats | Shutdown
