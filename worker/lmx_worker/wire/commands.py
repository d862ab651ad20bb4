"""What the supervisor asks for, as checked values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class FillPrompt:
    """Text before and after a gap the model is to fill."""

    prefix: str
    suffix: str


Prompt = MessagesPrompt | TextPrompt | FillPrompt | TokenPrompt


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are greedy with every option off.

    Ranges: temperature 0..2 (0 = greedy), top_p in (0, 1], seed 0..2**53-1, top_k >= 0 (0 = off), min_p 0..1,
    xtc_probability 0..1, xtc_threshold 0..0.5, repetition_penalty in (0, 10] (1 = off), presence_penalty and
    frequency_penalty -2..2. logit_bias maps token ids to -100..100. The window is in tokens, prompt included.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    top_k: int = 0
    min_p: float = 0.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repetition_penalty: float = 1.0
    repetition_context_size: int = 20
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Initialize:
    """Start of the conversation."""

    protocol_version: int


@dataclass(frozen=True)
class Inspect:
    """Look at one model without reading its weights.

    `path` is an absolute directory. None: `max_context_tokens` as configured, `tool_parser` as inferred.
    `trust_code`: code that comes with the model may run.
    """

    model_id: str
    path: str
    max_context_tokens: int | None
    tool_parser: str | None = None
    trust_code: bool = False


@dataclass(frozen=True)
class Load:
    """Read one model.

    As `Inspect`; `cache_budget_bytes` is what the caches of all rows together may take, None: no limit.
    """

    model_id: str
    path: str
    max_context_tokens: int | None
    max_concurrency: int
    tool_parser: str | None = None
    trust_code: bool = False
    cache_budget_bytes: int | None = None


@dataclass(frozen=True)
class Canary:
    """A short greedy run; prompt None: a default one."""

    prompt: str | None
    max_tokens: int


@dataclass(frozen=True)
class Generate:
    """One completion.

    max_tokens None: as many as the context holds; logprobs None: none, else the number of alternatives 0..20.
    owner: whose turn it is when requests wait, an opaque name; those without one are one owner's.
    """

    request_id: str
    prompt: Prompt
    sampling: Sampling
    max_tokens: int | None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    return_prompt: bool = False
    owner: str = ""


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


Command = Initialize | Inspect | Load | Canary | Generate | Cancel | Ping | Stats | Shutdown
