"""Reading a model from disk: checks first, then structure, tokenizer, and last the bytes of the weights."""

import json
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx_lm.tool_parsers
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load_model, load_tokenizer

from lmx_worker.engine.interface import LoadProgress, ModelFacts
from lmx_worker.failure import RequestFailure, StopRequested, fatal_cause
from lmx_worker.mlx_engine.codec import HARMONY, parser_name
from lmx_worker.mlx_engine.load_errors import load_failure
from lmx_worker.mlx_engine.memory_shapes import cache_footprints, leaf_caches, parameter_arrays
from lmx_worker.output.harmony import FINAL_TOKENS
from lmx_worker.prompt.fill import find_fill_tokens
from lmx_worker.wire.commands import Inspect, Load

CONTEXT_KEYS = (
    "max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length", "n_ctx",
)  # fmt: skip
DEFAULT_CONTEXT_TOKENS = 4096
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "tiktoken.model",
)
# Weights are evaluated in groups of about this size, so that progress moves and a stop is noticed.
GROUP_BYTES = 64 * 1024 * 1024

Report = Callable[[LoadProgress], None]


@dataclass(frozen=True)
class Structure:
    """A model whose names and shapes fit its architecture, its weights still unread, and its tokenizer."""

    model: nn.Module
    config: dict[str, Any]
    tokenizer: TokenizerWrapper


@dataclass(frozen=True)
class Loaded:
    """A model in memory with its tokenizer and facts."""

    model: nn.Module
    tokenizer: TokenizerWrapper
    facts: ModelFacts
    weight_bytes: int


class Phase:
    """What is being read, for the message of a failure; `report` hears when it begins."""

    def __init__(self, report: Report = lambda _: None) -> None:
        self.name = "config"
        self._report = report

    def begin(self, name: str) -> None:
        """The next part."""
        self.name = name
        self._report(LoadProgress(name, 0, 0))

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turns whatever the files cause into a RequestFailure; what costs the process passes."""
        try:
            yield
        except (RequestFailure, StopRequested):
            raise
        except BaseException as error:  # architecture modules raise anything, SystemExit included
            if fatal_cause(error) is not None:
                raise
            raise load_failure(error, self.name) from error


def read_model(request: Load, report: Report) -> Loaded:
    """Load weights and tokenizer from a local directory; code that comes with the model runs only if trusted.

    Raises:
        RequestFailure: what is missing, damaged or unsupported.
    """
    phase = Phase(report)
    with phase.failures():
        read = read_structure(request, phase)
        phase.name = "weights"
        weight_bytes = _read_weights(read.model, report)
        return Loaded(read.model, read.tokenizer, _facts(request, read), weight_bytes)


def read_structure(request: Load | Inspect, phase: Phase) -> Structure:
    """Everything but the weights, of which only names and shapes are read.

    Raises:
        RequestFailure: what is missing or unsupported. Other exceptions are for `phase.failures`.
    """
    directory = Path(request.path)
    phase.begin("config")
    _check_tool_parser(request.tool_parser)
    _check_files(directory, trust_code=request.trust_code)
    phase.name = "structure"
    # Lazily: names and shapes are compared with the architecture before a byte of the weights is read.
    model, config = load_model(directory, lazy=True, strict=True, trust_remote_code=request.trust_code)
    _check_batchable(model)
    phase.begin("tokenizer")
    return Structure(model, config, _read_tokenizer(directory, config, request))


def _check_files(directory: Path, *, trust_code: bool) -> None:
    if not directory.is_absolute() or not directory.is_dir():
        raise RequestFailure("model_incomplete", f"{directory} is not an existing absolute directory.")
    config_file = directory / "config.json"
    if not config_file.is_file():
        raise RequestFailure("model_incomplete", f"{config_file} is missing.")
    config = json.loads(config_file.read_text("utf-8"))
    if not isinstance(config, dict):
        raise RequestFailure("model_incomplete", f"{config_file} does not hold an object.")
    if config.get("model_file") is not None and not trust_code:
        raise RequestFailure(
            "model_unsupported_arch",
            "config.json asks to run model_file, code that comes with the model; this is only done for a "
            "model with trust_code.",
        )
    if not any((directory / name).is_file() for name in TOKENIZER_FILES) and not any(
        directory.glob("*.tiktoken")
    ):
        # Some architectures would get an invented, empty tokenizer without a word.
        raise RequestFailure("model_incomplete", f"No tokenizer files in {directory}.")


def _check_tool_parser(name: str | None) -> None:
    known = sorted(module.name for module in pkgutil.iter_modules(mlx_lm.tool_parsers.__path__))
    if name is not None and name not in known:
        raise RequestFailure(
            "invalid_request_error",
            f"Unknown tool_parser {name!r:.100}; this mlx_lm has: {', '.join(known)}.",
            param="tool_parser",
        )


def _read_tokenizer(directory: Path, config: dict[str, Any], request: Load | Inspect) -> TokenizerWrapper:
    settings: dict[str, Any] = {"trust_remote_code": request.trust_code}
    if request.tool_parser is not None:
        settings["tool_parser_type"] = request.tool_parser
    tokenizer = load_tokenizer(directory, settings, eos_token_ids=config.get("eos_token_id"))
    if parser_name(tokenizer) == HARMONY:
        # config.json names the end of an answer alone: behind a call the model would make up its result.
        vocabulary = tokenizer.get_vocab()
        ends = {vocabulary[token] for token in FINAL_TOKENS if token in vocabulary}
        tokenizer.eos_token_ids = tokenizer.eos_token_ids | ends
    return tokenizer


def _check_batchable(model: nn.Module) -> None:
    caches = leaf_caches(make_prompt_cache(model))
    kinds = {type(cache).__name__ for cache in caches if not hasattr(cache, "merge")}
    if kinds:
        raise RequestFailure(
            "model_unsupported_backend",
            f"The model's cache ({', '.join(sorted(kinds))}) cannot be batched by this mlx_lm.",
        )


def _read_weights(model: nn.Module, report: Report) -> int:
    """Bring all parameters into memory; returns their bytes."""
    arrays = [array for _, array in parameter_arrays(model)]
    total = sum(array.nbytes for array in arrays)
    report(LoadProgress("weights", 0, total))
    loaded, group, size = 0, [], 0
    for array in arrays:
        group.append(array)
        size += array.nbytes
        if size >= GROUP_BYTES:
            mx.eval(group)
            loaded, group, size = loaded + size, [], 0
            report(LoadProgress("weights", loaded, total))
    mx.eval(group)
    report(LoadProgress("weights", total, total))
    return total


def _facts(request: Load, read: Structure) -> ModelFacts:
    tokenizer = read.tokenizer
    name = parser_name(tokenizer)
    return ModelFacts(
        model_type=model_type(read.config),
        context_tokens=context_tokens(request, read.config),
        vocab_size=_vocab_size(read.model),
        eos_token_ids=tuple(sorted(token for token in tokenizer.eos_token_ids if isinstance(token, int))),
        tool_parser=name,
        has_thinking=bool(tokenizer.has_thinking) or name == HARMONY,
        has_chat_template=bool(tokenizer.has_chat_template),
        can_fill=find_fill_tokens(tokenizer.get_vocab()) is not None,
        caches=cache_footprints(read.model),
    )


def model_type(config: dict[str, Any]) -> str:
    """The architecture's name; a model with code of its own needs none."""
    return str(config.get("model_type", "custom"))


def context_tokens(request: Load | Inspect, config: dict[str, Any]) -> int:
    """Tokens of prompt and completion together: what was asked for, but not more than the config says.

    A config that names no length, as of a recurrent model, limits nothing; DEFAULT_CONTEXT_TOKENS is for when
    nothing was asked for either.
    """
    known = [tokens for tokens in (_configured_context_tokens(config), request.max_context_tokens) if tokens]
    return min(known, default=DEFAULT_CONTEXT_TOKENS)


def _configured_context_tokens(config: dict[str, Any]) -> int | None:
    text_config = config.get("text_config")
    for source in (config, text_config if isinstance(text_config, dict) else {}):
        for key in CONTEXT_KEYS:
            value = source.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None


def _vocab_size(model: nn.Module) -> int:
    """Number of ids that are safe as input: no id may reach past the embedding's rows.

    One real forward step gives the output width; the input embedding is the first one of the model.
    """
    logits = model(mx.array([[0]]), cache=make_prompt_cache(model))
    mx.eval(logits)
    embeddings = (nn.Embedding, nn.QuantizedEmbedding)
    rows = [module.weight.shape[0] for _, module in model.named_modules() if isinstance(module, embeddings)]
    return min([logits.shape[-1], *([max(rows)] if rows else [])])
