"""What the scheduler needs from an inference engine. mlx_engine is the only real one; tests use fakes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lmx_worker.engine.cache_budget import CacheFootprint
from lmx_worker.output.detokenize import Detokenizer
from lmx_worker.output.text import TextFormat
from lmx_worker.wire.commands import Inspect, Load, Prompt, Sampling


@dataclass(frozen=True)
class RuntimeFacts:
    """Versions of what is installed, and `cpu` or `gpu`."""

    versions: Mapping[str, str]
    device: str


@dataclass(frozen=True)
class LoadProgress:
    """Phase config, weights, tokenizer or warmup; bytes of weights read and in total."""

    phase: str
    loaded_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class ModelFacts:
    """What a loaded model can do. Ids at or above `vocab_size` must never reach it."""

    model_type: str
    context_tokens: int
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    tool_parser: str | None
    has_thinking: bool
    has_chat_template: bool = False
    can_fill: bool = False
    caches: tuple[CacheFootprint, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What a model's files say without its weights: counts, and bytes. `prefill_bytes` is an estimate."""

    model_type: str
    context_tokens: int
    parameters: int
    weights_bytes: int
    caches: tuple[CacheFootprint, ...]
    prefill_bytes: int
    has_chat_template: bool


@dataclass(frozen=True)
class EncodedPrompt:
    """Prompt ids and the text state the answer starts in (a template may open the reasoning itself)."""

    token_ids: list[int]
    initial_state: str


class TextCodec(Protocol):
    """Text side of a loaded model."""

    @property
    def has_chat_template(self) -> bool:
        """Whether conversations can be rendered."""
        ...

    @property
    def text_format(self) -> TextFormat:
        """Markers and tool parser."""
        ...

    @property
    def longest_token_bytes(self) -> int:
        """Length of the vocabulary's longest token."""
        ...

    def detokenizer(self, continues: Sequence[int] = ()) -> Detokenizer:
        """A fresh one for one row that goes on the text of these ids; main thread only."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """Bytes a token stands for, empty for an id without a token; main thread only."""
        ...

    def decode(self, token_ids: list[int]) -> str:
        """Text of token ids, special tokens included; main thread only."""
        ...

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        """Render and tokenise; preparation thread only (it has its own tokenizer).

        Raises:
            RequestFailure: the prompt cannot be rendered or tokenised.
        """
        ...


@dataclass(frozen=True)
class LoadedModel:
    """A model that is in memory. `max_rows`: how many it takes at once, at most what was asked for."""

    facts: ModelFacts
    codec: TextCodec
    max_rows: int


@dataclass(frozen=True)
class RowRequest:
    """One completion for the engine; everything is already checked against the model.

    `prompt_tokens` is the length of the original prompt: with `token_ids` longer than that, the rest is a
    completion that goes on, and positions count from the end of the prompt. With `logprobs` every token of
    the row carries its log probability and the most likely alternatives.
    """

    token_ids: list[int]
    prompt_tokens: int
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    inspect_logits: bool = False
    logprobs: bool = False


@dataclass(frozen=True)
class LogitsCheck:
    """Whether one step's logits were all finite, and whether they were all equal."""

    finite: bool
    constant: bool


# As many alternatives as a request may ask for; found for every row that asks for any.
ALTERNATIVES = 20


@dataclass(frozen=True)
class TokenLogprobs:
    """The model's log probability of a token, before sampling options, and of the ALTERNATIVES most likely
    ones as (token id, log probability), best first, equal ones by id."""

    logprob: float
    top: Sequence[tuple[int, float]]


EngineFinish = Literal["stop", "length"]


@dataclass(frozen=True)
class RowToken:
    """One accepted token. `finish`: stop for an end-of-answer token, length for the last one allowed."""

    row: int
    token_id: int
    finish: EngineFinish | None
    logits: LogitsCheck | None
    logprobs: TokenLogprobs | None = None


@dataclass(frozen=True)
class StepResult:
    """Tokens of one step in batch order, and the prompt work done in it."""

    tokens: list[RowToken]
    prefilled_tokens: int
    prefill_seconds: float


@dataclass(frozen=True)
class MemoryFacts:
    """Bytes in use, the highest so far, and bytes kept for reuse."""

    active: int
    peak: int
    cached: int


class Engine(Protocol):
    """All methods belong to the main thread."""

    def initialize(self) -> RuntimeFacts:
        """Import and check the runtime. Raises RequestFailure with what is wrong."""
        ...

    def inspect(self, request: Inspect) -> Inspection:
        """Check a model as `load` does, without its weights. Raises RequestFailure.

        Bounds the process for good: it is not to be used for anything else.
        """
        ...

    def load(self, request: Load, progress: Callable[[LoadProgress], None]) -> LoadedModel:
        """Read a model. Raises RequestFailure; `progress` may raise StopRequested to end it early."""
        ...

    def insert(self, row: RowRequest) -> int:
        """Queue a row and return its number."""
        ...

    def remove(self, row: int) -> None:
        """Drop a row in whatever stage it is; unknown numbers are ignored."""
        ...

    def step(self, prefill_chunk: int) -> StepResult:
        """One decode step for all rows, then at most `prefill_chunk` prompt tokens per row in prefill.

        Any exception means that all rows are lost; call `rebuild` before using the engine again.
        """
        ...

    def rebuild(self) -> None:
        """Forget all rows, start afresh, prove it with one token. Raises when the engine is beyond repair."""
        ...

    def memory(self) -> MemoryFacts:
        """Memory now."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
