"""An engine whose steps are written down in the test: no mlx, no model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lmx_worker.engine.cache_budget import CacheFootprint
from lmx_worker.engine.interface import (
    EncodedPrompt,
    Inspection,
    LoadedModel,
    LoadProgress,
    MemoryFacts,
    ModelFacts,
    RowRequest,
    RowToken,
    RuntimeFacts,
    StepResult,
)
from lmx_worker.failure import RequestFailure
from lmx_worker.output.detokenize import ByteDetokenizer, Detokenizer
from lmx_worker.output.text import NORMAL, TextFormat
from lmx_worker.wire.commands import (
    FillPrompt,
    Inspect,
    Load,
    MessagesPrompt,
    Prompt,
    TextPrompt,
    TokenPrompt,
)

END = 0
# No tokenizer has text for this id; `decode` raises, and so does the detokenizer.
UNREADABLE = 200


class FakeCodec:
    """Characters are tokens. `encoded` tells what was tokenised, `before_encode` may hold that up."""

    has_chat_template = True
    text_format = TextFormat()
    longest_token_bytes = 1

    def __init__(self, before_encode: Callable[[], object] = lambda: None) -> None:
        self.before_encode = before_encode
        self.encoded: list[Prompt] = []

    def detokenizer(self, continues: Sequence[int] = ()) -> Detokenizer:
        return ByteDetokenizer(lambda token: self.decode([token]).encode())

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        self.before_encode()
        self.encoded.append(prompt)
        match prompt:
            case MessagesPrompt(messages=messages):
                text = messages[-1]["content"]
                if text == "raise":
                    raise ZeroDivisionError("in the codec")
                if text == "refuse":
                    raise RequestFailure("invalid_request_error", "refused")
                return EncodedPrompt([ord(character) for character in text], NORMAL)
            case TextPrompt(text):
                return EncodedPrompt([ord(character) for character in text], NORMAL)
            case FillPrompt(prefix, suffix):
                return EncodedPrompt([ord(character) for character in prefix + suffix], NORMAL)
            case TokenPrompt(token_ids):
                return EncodedPrompt(list(token_ids), NORMAL)

    def token_bytes(self, token_id: int) -> bytes:
        return chr(token_id).encode()

    def decode(self, token_ids: list[int]) -> str:
        if UNREADABLE in token_ids:
            raise IndexError("piece id is out of range.")
        return "".join(map(chr, token_ids))


@dataclass
class FakeEngine:
    """Each row repeats its last prompt token; the last allowed one is the end token.

    `faults` are raised by the next steps, one each; None lets a step pass.
    """

    faults: list[Exception | None] = field(default_factory=list)
    rebuild_fault: Exception | None = None
    load_fault: Exception | None = None
    insert_faults: list[Exception | None] = field(default_factory=list)
    rows: dict[int, RowRequest] = field(default_factory=dict)
    given: dict[int, int] = field(default_factory=dict)
    rebuilds: int = 0
    closed: bool = False
    chunks: list[int] = field(default_factory=list)
    before_step: Callable[[], None] = lambda: None
    caches: tuple[CacheFootprint, ...] = ()
    context_tokens: int = 100
    inspect_fault: Exception | None = None
    codec: FakeCodec = field(default_factory=FakeCodec)
    most_rows: int = 1000

    def initialize(self) -> RuntimeFacts:
        return RuntimeFacts({"python": "3", "mlx": "0", "mlx_lm": "0", "transformers": "0"}, "cpu")

    def inspect(self, request: Inspect) -> Inspection:
        if self.inspect_fault is not None:
            raise self.inspect_fault
        return Inspection("fake", 100, 7, 28, self.caches, 11, True)

    def load(self, request: Load, progress: Callable[[LoadProgress], None]) -> LoadedModel:
        progress(LoadProgress("weights", 0, 10))
        if self.load_fault is not None:
            raise self.load_fault
        return LoadedModel(
            ModelFacts("fake", self.context_tokens, 256, (END,), None, False, caches=self.caches),
            self.codec,
            min(request.max_concurrency, self.most_rows),
        )

    def insert(self, row: RowRequest) -> int:
        fault = self.insert_faults.pop(0) if self.insert_faults else None
        if fault is not None:
            raise fault
        number = len(self.given)
        self.rows[number] = row
        self.given[number] = 0
        return number

    def remove(self, row: int) -> None:
        self.rows.pop(row, None)

    def step(self, prefill_chunk: int) -> StepResult:
        self.before_step()
        self.chunks.append(prefill_chunk)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        tokens = [self._next(number, row) for number, row in tuple(self.rows.items())]
        return StepResult(tokens, 0, 0.0)

    def _next(self, number: int, row: RowRequest) -> RowToken:
        self.given[number] += 1
        last = self.given[number] == row.max_tokens
        if last:
            del self.rows[number]
        return RowToken(number, END if last else row.token_ids[-1], "stop" if last else None, None)

    def rebuild(self) -> None:
        self.rebuilds += 1
        self.rows.clear()
        if self.rebuild_fault is not None:
            raise self.rebuild_fault

    def memory(self) -> MemoryFacts:
        return MemoryFacts(1, 2, 3)

    def close(self) -> None:
        self.closed = True


def texts(rows: Sequence[dict]) -> str:
    return "".join(event.get("text", "") for row in rows for event in row["events"])
