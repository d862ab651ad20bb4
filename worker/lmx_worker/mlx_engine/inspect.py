"""Looking at a model without reading its weights: does it fit its architecture, and what will it take."""

from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper

from lmx_worker.confinement import EXTRA_ADDRESS_SPACE_BYTES
from lmx_worker.engine.interface import Inspection
from lmx_worker.failure import RequestFailure, fatal_cause, first_line
from lmx_worker.mlx_engine.load import Phase, Structure, context_tokens, model_type, read_structure
from lmx_worker.mlx_engine.memory_shapes import (
    cache_footprints,
    count_parameters,
    estimate_prefill_bytes,
    parameter_arrays,
)
from lmx_worker.wire.commands import Inspect

MEMORY_CAUSES = frozenset({"host_oom", "gpu_oom", "alloc_too_big", "gpu_objects"})
USER = {"role": "user", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}


def inspect_model(request: Inspect) -> Inspection:
    """All checks of a load, a call of the model that is never computed, and one rendering of the template.

    Raises:
        RequestFailure: with the code the load would give; model_incomplete for a template that cannot be
            rendered; insufficient_memory when looking at the model takes more than the process may have.
    """
    phase = Phase()
    try:
        with phase.failures():
            read = read_structure(request, phase)
            phase.name = "chat template"
            _check_template(read.tokenizer)
            phase.name = "architecture"
            return _inspection(request, read)
    except RequestFailure:
        raise
    except BaseException as error:
        if fatal_cause(error) not in MEMORY_CAUSES:
            raise
        raise RequestFailure(
            "insufficient_memory",
            f"Inspecting the {phase.name} took more than the {EXTRA_ADDRESS_SPACE_BYTES} bytes it may take: "
            f"{first_line(error)}",
            error_type=type(error).__name__,
        ) from error


def _check_template(tokenizer: TokenizerWrapper) -> None:
    """Some templates refuse a system message on purpose: broken is one that fails for a user's alone, too."""
    if not tokenizer.has_chat_template:
        return
    try:
        _render(tokenizer, [SYSTEM, USER])
        return
    except Exception as error:
        if fatal_cause(error) is not None:
            raise
    try:
        _render(tokenizer, [USER])
    except Exception as error:  # a template is a program: it raises anything
        if fatal_cause(error) is not None:
            raise
        raise RequestFailure(
            "model_incomplete",
            f"The chat template cannot be rendered: {first_line(error)}",
            error_type=type(error).__name__,
            detail=str(error)[:2000],
        ) from error


def _render(tokenizer: TokenizerWrapper, messages: list[dict[str, Any]]) -> None:
    tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)


def _inspection(request: Inspect, read: Structure) -> Inspection:
    caches = cache_footprints(read.model)
    return Inspection(
        model_type=model_type(read.config),
        context_tokens=context_tokens(request, read.config),
        parameters=count_parameters(read.model),
        weights_bytes=sum(array.nbytes for _, array in parameter_arrays(read.model)),
        caches=caches,
        prefill_bytes=estimate_prefill_bytes(read.model, read.config, caches),
        has_chat_template=bool(read.tokenizer.has_chat_template),
    )
