"""Reading a model from disk: checks first, then structure, tokenizer, and last the bytes of the weights."""

import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx_lm.tool_parsers
from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load_model, load_tokenizer

from lmx_worker.commands import Load
from lmx_worker.engine import LoadProgress, ModelFacts
from lmx_worker.failure import RequestFailure, StopRequested, fatal_cause
from lmx_worker.fill import find_fill_tokens
from lmx_worker.mlx_engine.load_errors import load_failure

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
class Loaded:
    """A model in memory with its tokenizer and facts."""

    model: nn.Module
    tokenizer: TokenizerWrapper
    facts: ModelFacts
    weight_bytes: int


def read_model(request: Load, report: Report) -> Loaded:
    """Load weights and tokenizer from a local directory, running no code that comes with the model.

    Raises:
        RequestFailure: what is missing, damaged or unsupported.
    """
    directory = Path(request.path)
    phase = "config"
    try:
        report(LoadProgress("config", 0, 0))
        _check_tool_parser(request.tool_parser)
        config = _checked_config(directory)
        # Lazily: names and shapes are compared with the architecture before a byte of the weights is read.
        model, config = load_model(directory, lazy=True, strict=True, trust_remote_code=False)
        _check_batchable(model)
        phase = "tokenizer"
        report(LoadProgress("tokenizer", 0, 0))
        tokenizer = _read_tokenizer(directory, config, request.tool_parser)
        phase = "weights"
        weight_bytes = _read_weights(model, report)
        return Loaded(model, tokenizer, _facts(request, model, config, tokenizer), weight_bytes)
    except (RequestFailure, StopRequested):
        raise
    except BaseException as error:  # architecture modules raise anything, SystemExit included
        if fatal_cause(error) is not None:
            raise
        raise load_failure(error, phase) from error


def _checked_config(directory: Path) -> dict[str, Any]:
    if not directory.is_absolute() or not directory.is_dir():
        raise RequestFailure("model_incomplete", f"{directory} is not an existing absolute directory.")
    config_file = directory / "config.json"
    if not config_file.is_file():
        raise RequestFailure("model_incomplete", f"{config_file} is missing.")
    config = json.loads(config_file.read_text("utf-8"))
    if not isinstance(config, dict):
        raise RequestFailure("model_incomplete", f"{config_file} does not hold an object.")
    if config.get("model_file") is not None:
        raise RequestFailure(
            "model_unsupported_arch",
            "config.json asks to run model_file, code that comes with the model; this is never done.",
        )
    if not any((directory / name).is_file() for name in TOKENIZER_FILES) and not any(
        directory.glob("*.tiktoken")
    ):
        # Some architectures would get an invented, empty tokenizer without a word.
        raise RequestFailure("model_incomplete", f"No tokenizer files in {directory}.")
    return config


def _check_tool_parser(name: str | None) -> None:
    known = sorted(module.name for module in pkgutil.iter_modules(mlx_lm.tool_parsers.__path__))
    if name is not None and name not in known:
        raise RequestFailure(
            "invalid_request_error",
            f"Unknown tool_parser {name!r:.100}; this mlx_lm has: {', '.join(known)}.",
            param="tool_parser",
        )


def _read_tokenizer(directory: Path, config: dict[str, Any], tool_parser: str | None) -> TokenizerWrapper:
    settings: dict[str, Any] = {"trust_remote_code": False}
    if tool_parser is not None:
        settings["tool_parser_type"] = tool_parser
    return load_tokenizer(directory, settings, eos_token_ids=config.get("eos_token_id"))


def _check_batchable(model: nn.Module) -> None:
    kinds = {type(cache).__name__ for cache in make_prompt_cache(model) if not hasattr(cache, "merge")}
    if kinds:
        raise RequestFailure(
            "model_unsupported_backend",
            f"The model's cache ({', '.join(sorted(kinds))}) cannot be batched by this mlx_lm.",
        )


def _read_weights(model: nn.Module, report: Report) -> int:
    """Bring all parameters into memory; returns their bytes."""
    arrays = [value for _, value in tree_flatten(model.parameters()) if isinstance(value, mx.array)]
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


def _facts(
    request: Load, model: nn.Module, config: dict[str, Any], tokenizer: TokenizerWrapper
) -> ModelFacts:
    context = _context_tokens(config)
    if request.max_context_tokens is not None:
        context = min(context, request.max_context_tokens)
    return ModelFacts(
        model_type=str(config["model_type"]),
        context_tokens=context,
        vocab_size=_vocab_size(model),
        eos_token_ids=tuple(sorted(token for token in tokenizer.eos_token_ids if isinstance(token, int))),
        tool_parser=tokenizer.init_kwargs.get("tool_parser_type") if tokenizer.has_tool_calling else None,
        has_thinking=bool(tokenizer.has_thinking),
        has_chat_template=bool(tokenizer.has_chat_template),
        can_fill=find_fill_tokens(tokenizer.get_vocab()) is not None,
    )


def _context_tokens(config: dict[str, Any]) -> int:
    text_config = config.get("text_config")
    for source in (config, text_config if isinstance(text_config, dict) else {}):
        for key in CONTEXT_KEYS:
            value = source.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return DEFAULT_CONTEXT_TOKENS


def _vocab_size(model: nn.Module) -> int:
    """Number of ids that are safe as input: no id may reach past the embedding's rows.

    One real forward step gives the output width; the input embedding is the first one of the model.
    """
    logits = model(mx.array([[0]]), cache=make_prompt_cache(model))
    mx.eval(logits)
    embeddings = (nn.Embedding, nn.QuantizedEmbedding)
    rows = [module.weight.shape[0] for _, module in model.named_modules() if isinstance(module, embeddings)]
    return min([logits.shape[-1], *([max(rows)] if rows else [])])
