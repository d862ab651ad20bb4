"""Which architectures the installed mlx_lm has, and what their config.json must say to select them."""

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """One row of the list.

    `name` is the module's or, for a checkpoint type that mlx_lm maps to another module, that type. `family`
    is the module of mlx_lm/models that computes it.
    """

    name: str
    family: str
    selector: dict[str, Any]


def list_architectures() -> list[Architecture]:
    """All architectures, sorted by name; none is imported, for one of them ends the process then."""
    package = _package_directory()
    by_type, by_class = _remappings(package / "utils.py")
    modules = [file.stem for file in sorted((package / "models").glob("*.py")) if _defines_model(file)]
    selectors = {family: {"model_type": kind, "architectures": [name]} for (kind, name), family in by_class}
    rows = [Architecture(name, name, selectors.get(name, {"model_type": name})) for name in modules]
    rows += [Architecture(name, family, {"model_type": name}) for name, family in by_type]
    return sorted(rows, key=lambda row: row.name.lower())


def find_architecture(name: str) -> Architecture:
    """The architecture of this name.

    Raises:
        LookupError: there is none.
    """
    for row in list_architectures():
        if row.name == name:
            return row
    raise LookupError(f"This mlx_lm has no architecture {name!r:.100}; --list shows all.")


def _package_directory() -> Path:
    spec = importlib.util.find_spec("mlx_lm")
    if spec is None or spec.origin is None:
        raise LookupError("mlx_lm is not installed in this Python.")
    return Path(spec.origin).parent


def _remappings(file: Path) -> tuple[list[tuple[str, str]], list[tuple[tuple[str, str], str]]]:
    """MODEL_REMAPPING and MODEL_ARCHITECTURE_REMAPPING as pairs, read from the source text."""
    values: dict[str, Any] = {"MODEL_REMAPPING": {}, "MODEL_ARCHITECTURE_REMAPPING": {}}
    for node in ast.parse(file.read_text("utf-8")).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(target := node.targets[0], ast.Name)
            and target.id in values
        ):
            values[target.id] = ast.literal_eval(node.value)
    return list(values["MODEL_REMAPPING"].items()), list(values["MODEL_ARCHITECTURE_REMAPPING"].items())


def _defines_model(file: Path) -> bool:
    """Whether the module has both `Model` and `ModelArgs`, defined or imported."""
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        match node:
            case ast.ClassDef(name):
                names.add(name)
            case ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
    return {"Model", "ModelArgs"} <= names
