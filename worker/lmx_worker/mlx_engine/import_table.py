"""Importing transformers without reading every one of its model files, at every start, twice.

transformers finds out which names its modules export by reading all of them (3,300 files): half of the time
until a worker says hello. The table depends on the installed files alone, so the first worker of a runtime
keeps it beside the packages and later ones read it. Anything unexpected: as if this module were not here.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

PATCHED = "transformers.utils.import_utils"
FILE_NAME = "opta-lmx-import-table.json"

# Backends that names need: modules: names they export; what `define_import_structure` returns.
Table = dict[frozenset[str], dict[str, set[str]]]
Define = Callable[..., Table]


@contextmanager
def kept_import_table(directory: Path = Path(sys.prefix)) -> Iterator[None]:
    """While inside, an import of transformers takes its table from `directory`, or leaves it there.

    Args:
        directory: where the file is kept; that of the runtime. One that cannot be written costs only time.
    """
    finder = _Finder(directory / FILE_NAME)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds the one module that builds the table, and changes it right after it has run."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != PATCHED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None and spec.origin is not None:
            models = Path(spec.origin).parents[1] / "models"
            spec.loader = _PatchingLoader(spec.loader, models, self._file)
        return spec


class _PatchingLoader(Loader):
    def __init__(self, loader: Loader, models: Path, file: Path) -> None:
        self._loader = loader
        self._models = models
        self._file = file

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        original: Define | None = getattr(module, "define_import_structure", None)
        fingerprint = _fingerprint(self._models.parent)
        if original is not None and fingerprint is not None:
            kept = KeptTable(original, self._models, self._file, fingerprint)
            module.define_import_structure = kept.define  # type: ignore[attr-defined]


class KeptTable:
    """`define_import_structure` of transformers, with a memory for its one large directory."""

    def __init__(self, original: Define, models: Path, file: Path, fingerprint: str) -> None:
        self._original = original
        self._models = models
        self._file = file
        self._fingerprint = fingerprint

    def define(self, module_path: str | os.PathLike[str], prefix: str | None = None) -> Table:
        """Like the original, which documents it."""
        path = Path(module_path)
        directory = path.parent if path.suffix == ".py" else path
        if directory != self._models:
            return self._original(module_path, prefix)
        table = self._read()
        if table is None:
            table = self._original(self._models)
            self._write(table)
        if prefix is None:
            return table
        return {
            needs: {f"{prefix}.{name}": exported for name, exported in modules.items()}
            for needs, modules in table.items()
        }

    def _read(self) -> Table | None:
        try:
            stored = json.loads(self._file.read_text("utf-8"))
            if stored["fingerprint"] != self._fingerprint:
                return None
            return {
                frozenset(needs): {name: set(exported) for name, exported in modules.items()}
                for needs, modules in stored["table"]
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def _write(self, table: Table) -> None:
        """Aside and renamed: workers of one runtime may start at the same time, and end at any."""
        rows = [
            [sorted(needs), {name: sorted(exported) for name, exported in modules.items()}]
            for needs, modules in table.items()
        ]
        aside = self._file.with_name(f"{FILE_NAME}.{os.getpid()}")
        # A runtime that is read-only, or a full disk: the next worker reads the files again.
        with suppress(OSError):
            try:
                aside.write_text(json.dumps({"fingerprint": self._fingerprint, "table": rows}), "utf-8")
                aside.replace(self._file)
            finally:
                aside.unlink(missing_ok=True)


def _fingerprint(package: Path) -> str | None:
    """Another one after any installation of transformers: that writes its list of files anew."""
    found = sorted(package.parent.glob("transformers-*.dist-info/RECORD"))
    if len(found) != 1:
        return None
    stat = found[0].stat()
    return f"{found[0].parent.name} {stat.st_size} {stat.st_mtime_ns} python {sys.hexversion:x}"
