"""Who may import what among the worker's packages; docs/architecture.md says why."""

import ast
from pathlib import Path

import pytest

WORKER = Path(__file__).resolve().parents[1]

ROOT = "lmx_worker"
ENGINE_LIBRARIES = {"mlx", "mlx_lm"}

# Package -> packages of the worker it may import, beside itself. Modules at the root are named by their file.
RULES = {
    "wire": {"failure"},
    "output": set(),
    "engine": {"wire", "output", "failure"},
    "prompt": {"wire", "output", "engine", "failure", "pipes", "lifeline"},
    "scheduling": {"wire", "output", "engine", "prompt", "failure", "status"},
    "mlx_engine": {"wire", "output", "engine", "prompt", "failure", "confinement"},
    "failure": set(),
    "status": set(),
    "confinement": set(),
    "lifeline": set(),
    "pipes": set(),
    "worker": {"wire", "scheduling", "engine", "mlx_engine", "failure", "status", "lifeline"},
    "__main__": {"lifeline", "pipes", "worker"},
}

# The tool that builds tiny models needs the library it builds them for, in these files and nowhere else.
BUILDERS = {"reduced_models/build.py", "reduced_models/weights.py"}


def sources(package: str) -> list[Path]:
    return sorted((WORKER / package).rglob("*.py"))


def imports_of(source: str) -> set[str]:
    """Every module that a source names in an import, wherever in the file it stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(module: str) -> str:
    name = module.split(".")[1] if module.count(".") else ""
    return name if name in RULES else ""


def room_of(path: Path) -> str:
    inside = path.relative_to(WORKER / ROOT)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def wrong_imports(room: str, source: str) -> list[str]:
    targets = {package_of(name) for name in imports_of(source) if name.split(".")[0] == ROOT}
    return sorted(targets - RULES[room] - {room, ""})


def engine_libraries(source: str) -> list[str]:
    return sorted({name.split(".")[0] for name in imports_of(source)} & ENGINE_LIBRARIES)


@pytest.mark.parametrize("path", sources(ROOT), ids=lambda path: str(path.relative_to(WORKER)))
def test_a_package_imports_only_what_its_rule_names(path: Path):
    if path.name == "__init__.py" and path.parent.name == ROOT:
        return
    assert wrong_imports(room_of(path), path.read_text("utf-8")) == []


def test_mlx_engine_alone_imports_mlx():
    users = {
        str(path.relative_to(WORKER))
        for package in (ROOT, "reduced_models")
        for path in sources(package)
        if engine_libraries(path.read_text("utf-8"))
    }
    assert {path for path in users if not path.startswith(f"{ROOT}/mlx_engine/")} == BUILDERS


def test_the_worker_never_imports_the_builders_of_tiny_models():
    for path in sources(ROOT):
        assert not any(name.split(".")[0] == "reduced_models" for name in imports_of(path.read_text("utf-8")))


def test_a_planted_import_is_found_wherever_it_stands():
    assert engine_libraries("def late():\n    import mlx.core as mx\n") == ["mlx"]
    assert wrong_imports("scheduling", "from lmx_worker.mlx_engine import MlxEngine\n") == ["mlx_engine"]
    assert wrong_imports("engine", "from lmx_worker import scheduling\n") == ["scheduling"]
    assert wrong_imports("output", "from lmx_worker.output.text import Text\n") == []
