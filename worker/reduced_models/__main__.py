"""`python -m reduced_models`: lists the architectures, or builds one; every line of output is JSON.

`--list` prints `{arch, family, limit?: {kind, reason}}` per architecture. `--arch NAME --out DIR [--seed N]`
writes a model to DIR and prints `{arch, path, parameters, bytes}`, or `{arch, error: {type, message}}` with
exit code 1. `bytes` is the size of the weights file.
"""

import argparse
import contextlib
import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Far more than the slowest architecture needs; past it the process ends instead of hanging.
PATIENCE_SECONDS = 120.0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parse(arguments)
    if options.list:
        for line in _list():
            _print(line)
        return 0
    timer = threading.Timer(PATIENCE_SECONDS, _give_up, (options.arch,))
    timer.daemon = True
    timer.start()
    # Architectures may print when imported, and stdout is for our lines.
    with contextlib.redirect_stdout(sys.stderr):
        line = _build(options.arch, options.out, options.seed)
    timer.cancel()
    _print(line)
    return 1 if "error" in line else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reduced_models", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print all architectures")
    parser.add_argument("--arch", help="name of the architecture to build")
    parser.add_argument("--out", type=Path, help="directory to write the model to")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
    options = parser.parse_args(arguments)
    if not options.list and (options.arch is None or options.out is None):
        parser.error("Expected --list, or --arch and --out.")
    return options


def _list() -> list[dict[str, Any]]:
    from reduced_models.architectures import list_architectures
    from reduced_models.known_limits import LIMITS

    return [
        {
            "arch": row.name,
            "family": row.family,
            **({"limit": asdict(LIMITS[row.family])} if row.family in LIMITS else {}),
        }
        for row in list_architectures()
    ]


def _build(name: str, directory: Path, seed: int) -> dict[str, Any]:
    # Before anything imports mlx: its CPU compiler shares a cache directory between processes.
    os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    try:
        from reduced_models.architectures import find_architecture
        from reduced_models.build import build_reduced

        built = build_reduced(find_architecture(name), directory.resolve(), seed=seed)
    except BaseException as error:  # architecture modules raise anything, SystemExit included
        from reduced_models.known_limits import LIMITS

        known = LIMITS.get(name)
        reason = known.reason if known is not None and known.kind == "cannot-build" else str(error)
        return _failure(name, type(error).__name__, reason)
    return {"arch": name, "path": str(built.path), "parameters": built.parameters, "bytes": built.bytes}


def _failure(name: str, kind: str, message: str) -> dict[str, Any]:
    return {"arch": name, "error": {"type": kind, "message": message[:1000]}}


def _give_up(name: str) -> None:
    """End the process from the timer's thread; nothing else can interrupt a native call."""
    line = _failure(name, "TimeoutError", f"Not built after {PATIENCE_SECONDS:.0f} seconds.")
    os.write(1, (json.dumps(line) + "\n").encode())
    os._exit(1)


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
