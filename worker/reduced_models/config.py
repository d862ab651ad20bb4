"""Reduces an architecture's own description of its config to a tiny one."""

import dataclasses
import importlib
import types
import typing
from typing import Any

from reduced_models.architectures import Architecture
from reduced_models.overrides import OVERRIDES, TEXT_ARGUMENTS, TEXT_OVERRIDES, TEXT_TYPES
from reduced_models.small_values import ALWAYS, WHEN_REQUIRED

END_TOKEN = 0
TEXT = "text_config"
# Filled in by the caller.
ELSEWHERE = ("model_type", TEXT)


class UnknownField(ValueError):
    """A required config field for which no small value is known."""


def reduced_config(architecture: Architecture) -> dict[str, Any]:
    """The config.json of a tiny model of this architecture.

    Every required field gets a value, and every field that sets a size a small one; the hand-written
    overrides win.

    Raises:
        UnknownField: the architecture needs a field no table knows.
    """
    family = architecture.family
    module = importlib.import_module(f"mlx_lm.models.{family}")
    config = _small_fields(module.ModelArgs, OVERRIDES.get(family, {}))
    if TEXT in (field.name for field in dataclasses.fields(module.ModelArgs)):
        text = _small_fields(_text_arguments(module, family), TEXT_OVERRIDES.get(family, {}))
        config[TEXT] = {"model_type": TEXT_TYPES.get(family, f"{family}_text"), **text}
    return {**config, **architecture.selector, "eos_token_id": END_TOKEN}


def vocabulary_size(config: dict[str, Any]) -> int:
    """Rows of the embedding that this config describes."""
    values = {**config.get(TEXT, {}), **config}
    return values["vocab_size"] if "vocab_size" in values else values["num_vocab"]


def _small_fields(arguments: type, overrides: dict[str, Any]) -> dict[str, Any]:
    fields = {
        field.name: _small_value(field)
        for field in dataclasses.fields(arguments)
        if field.name not in (*overrides, *ELSEWHERE) and (_required(field) or field.name in ALWAYS)
    }
    return {**fields, **overrides}


def _small_value(field: dataclasses.Field[Any]) -> Any:
    for table in (ALWAYS, WHEN_REQUIRED):
        if field.name in table:
            return table[field.name]
    if type(None) in typing.get_args(field.type):
        return None
    if field.type is bool:
        return False
    raise UnknownField(f"No small value is known for the required field {field.name} ({field.type}).")


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _text_arguments(module: types.ModuleType, family: str) -> type:
    """The dataclass that describes `text_config`: the one in our table, else the one in the annotation."""
    if family in TEXT_ARGUMENTS:
        owner, name = TEXT_ARGUMENTS[family]
        return getattr(importlib.import_module(f"mlx_lm.models.{owner}"), name)
    (text,) = (field for field in dataclasses.fields(module.ModelArgs) if field.name == TEXT)
    for choice in typing.get_args(text.type):
        if isinstance(choice, type) and dataclasses.is_dataclass(choice):
            return choice
    raise UnknownField(f"No dataclass is known that describes the {TEXT} of {family}.")
