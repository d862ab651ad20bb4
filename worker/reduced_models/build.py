"""Builds one reduced model on disk: random weights, a tokenizer, and a config as a checkpoint has it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.utils import _get_classes, save_model

from reduced_models.architectures import Architecture
from reduced_models.config import reduced_config, vocabulary_size
from reduced_models.tokenizer import write_tokenizer
from reduced_models.weights import parameters_of, randomise, speak_visibly

# A field nobody reduced shows here, before its gigabytes are computed.
MOST_PARAMETERS = 20_000_000


class TooLarge(ValueError):
    """The config did not make the model small."""


@dataclass(frozen=True)
class Built:
    """A model on disk. `bytes` is the size of its weights file."""

    path: Path
    parameters: int
    bytes: int


def build_reduced(architecture: Architecture, directory: Path, *, seed: int = 0) -> Built:
    """Write a reduced model to `directory`. The same seed gives the same bytes.

    Raises:
        UnknownField: a required config field has no known small value.
        TooLarge: the model would have more than MOST_PARAMETERS.
        BaseException: whatever the architecture's module raises, SystemExit included.
    """
    config = reduced_config(architecture)
    model = _build(config, seed)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(directory)
    randomise(model)
    speak_visibly(model, tokenizer, vocabulary_size(config))
    parameters = _count(model)
    mx.eval(model.parameters())
    save_model(directory, model, donate_model=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    return Built(directory, parameters, (directory / "model.safetensors").stat().st_size)


def _build(config: dict[str, Any], seed: int) -> nn.Module:
    """The module with its initial weights still unevaluated."""
    mx.random.seed(seed)
    model_class, arguments_class = _get_classes(config)
    model = model_class(arguments_class.from_dict(config))
    count = _count(model)
    if count > MOST_PARAMETERS:
        raise TooLarge(f"The reduced model has {count} parameters, more than {MOST_PARAMETERS}.")
    return model


def _count(model: nn.Module) -> int:
    return sum(math.prod(value.shape) for value in parameters_of(model).values())
