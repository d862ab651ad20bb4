"""Importing mlx and mlx_lm safely, and checking that they are the ones this code was written for."""

import inspect
import os
import platform
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

from lmx_worker.failure import RequestFailure, first_line
from lmx_worker.mlx_engine.import_table import kept_import_table

# Parameters and attributes used here. The batching interface of mlx_lm changes often; better a clear refusal
# at start than a strange failure under load.
EXPECTED: dict[str, tuple[str, ...]] = {
    "mlx_lm.generate:BatchGenerator.__init__": (
        "model", "completion_batch_size", "prefill_batch_size", "prefill_step_size", "sampler", "stream",
    ),
    "mlx_lm.generate:BatchGenerator.insert": ("prompts", "max_tokens", "samplers", "stop_sequences"),
    "mlx_lm.generate:BatchGenerator._make_batch": ("n",),
    "mlx_lm.generate:BatchGenerator.remove": ("uids",),
    "mlx_lm.generate:BatchGenerator.close": ("self",),
    "mlx_lm.generate:PromptProcessingBatch.generate": ("self", "tokens"),
    "mlx_lm.generate:PromptProcessingBatch.prompt": ("tokens",),
    "mlx_lm.generate:PromptProcessingBatch.split": ("indices",),
    "mlx_lm.generate:PromptProcessingBatch.extend": ("batch",),
    "mlx_lm.generate:PromptProcessingBatch.empty": ("model", "fallback_sampler", "prefill_step_size"),
    "mlx_lm.generate:GenerationBatch.__init__": (
        "model", "uids", "inputs", "prompt_cache", "tokens", "samplers", "fallback_sampler",
        "logits_processors", "stop_sequences", "max_tokens",
    ),
    "mlx_lm.generate:GenerationBatch.extend": ("batch",),
    "mlx_lm.generate:GenerationBatch.next": ("self",),
    "mlx_lm.generate:GenerationBatch._step": ("self",),
    "mlx_lm.generate:GenerationBatch.empty": ("model", "fallback_sampler"),
    "mlx_lm.generate:StopSequences.__init__": ("stop_sequences",),
    "mlx_lm.generate:maybe_set_recommended_wired_limit": (),
    "mlx_lm.utils:load_model": ("model_path", "lazy", "strict", "trust_remote_code"),
    "mlx_lm.utils:load_tokenizer": ("model_path", "tokenizer_config_extra", "eos_token_ids"),
    "mlx_lm.models.cache:make_prompt_cache": ("model",),
    "mlx_lm.tokenizer_utils:TokenizerWrapper.apply_chat_template": ("tokenize",),
}  # fmt: skip
EXPECTED_MEMBERS = {
    "mlx_lm.tokenizer_utils:TokenizerWrapper": (
        "detokenizer", "eos_token_ids", "has_thinking", "has_tool_calling", "response_initial_state",
        "response_transitions", "rfind_think_end", "rfind_think_start", "structural_markers", "think_end",
        "think_start", "think_start_tokens", "tool_call_end", "tool_call_start", "tool_parser",
    ),
    "mlx_lm.tokenizer_utils:BPEStreamingDetokenizer": ("add_token",),
    "mlx_lm.tokenizer_utils:SPMStreamingDetokenizer": ("add_token",),
}  # fmt: skip


def import_runtime() -> None:
    """Import everything a load needs, offline and without touching limits of the process.

    Raises:
        RequestFailure: worker_runtime_broken with the import error or the difference found.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        with kept_import_table():
            _with_kept_limits("mlx_lm.generate")
    except BaseException as error:  # a broken extension may raise anything, SystemExit included
        raise RequestFailure(
            "worker_runtime_broken",
            f"Importing mlx_lm failed: {first_line(error)}",
            error_type=type(error).__name__,
        ) from error
    check_signatures()


def runtime_versions() -> dict[str, str]:
    """Installed versions, read from package metadata."""
    packages = {"mlx": "mlx", "mlx_lm": "mlx-lm", "transformers": "transformers"}
    return {"python": platform.python_version(), **{name: version(dist) for name, dist in packages.items()}}


def check_signatures() -> None:
    """Compare what this code calls with what is installed.

    Raises:
        RequestFailure: worker_runtime_broken naming the first difference.
    """
    for path, names in EXPECTED.items():
        parameters = inspect.signature(_resolve(path)).parameters
        missing = [name for name in names if name not in parameters]
        if missing:
            raise _mismatch(path, f"has no parameter {missing[0]!r}")
    for path, names in EXPECTED_MEMBERS.items():
        missing = [name for name in names if not hasattr(_resolve(path), name)]
        if missing:
            raise _mismatch(path, f"has no member {missing[0]!r}")


def _with_kept_limits(name: str) -> ModuleType:
    """Import a module whose import sets resource limits, and keep the ones we have.

    mlx_lm.utils sets NOFILE to (2048, 4096), which lowers higher limits and fails under lower ones.
    """
    import resource

    original = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        return import_module(name)
    finally:
        resource.setrlimit = original


def _resolve(path: str) -> Any:
    module, _, name = path.partition(":")
    target: Any = import_module(module)
    for part in name.split("."):
        target = getattr(target, part, None)
        if target is None:
            raise _mismatch(path, "does not exist")
    return target


def _mismatch(path: str, what: str) -> RequestFailure:
    found = runtime_versions()["mlx_lm"]
    return RequestFailure(
        "worker_runtime_broken",
        f"mlx_lm {found} is not the version this worker was written for: {path.replace(':', '.')} {what}; "
        "install the versions of worker/requirements.",
    )
