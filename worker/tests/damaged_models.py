"""Damaged models of every architecture, for tests of what notices the damage.

`python -m tests.damaged_models --out DIR` writes `DIR/<architecture>/<damage>/` and `DIR/corpus.json`, which
says where everything is and which mlx_lm will judge it. With `--only llama/values-nan ...` just these.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
from pathlib import Path

import tests.config_damages  # noqa: F401  # adds its damages
from tests.damages import DAMAGES, FIRST, INDEX, SECOND, Damage
from tests.quantized_damages import QUANTIZED_DAMAGES
from tests.raw_safetensors import replace, tensors_of, write_tensors
from tests.tiny_architectures import ARCHITECTURES
from tests.tiny_models import build_model


def build_base(directory: Path, arch: str, *, quantized: bool = False, endless: bool = False) -> Path:
    """A sound model in two files; `endless` as in build_model."""
    build_model(directory, arch, endless=endless)
    if quantized:
        quantize(directory)
    tensors = tensors_of(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {FIRST: names[: len(names) // 2], SECOND: names[len(names) // 2 :]}
    for file, half in halves.items():
        write_tensors(directory / file, {name: tensors[name] for name in half})
    weight_map = {name: file for file, half in halves.items() for name in half}
    replace(directory / INDEX, json.dumps({"metadata": {}, "weight_map": weight_map}))
    return directory


def quantize(directory: Path) -> None:
    import mlx.nn as nn
    from mlx_lm.utils import load_model, save_model

    model, config = load_model(directory)
    nn.quantize(model, group_size=32, bits=4)
    save_model(directory, model)
    settings = {**config, "quantization": {"group_size": 32, "bits": 4}}
    replace(directory / "config.json", json.dumps(settings))


def damaged_copy(base: Path, target: Path, apply: Damage) -> Path:
    """The files are links: a damage replaces what it changes."""
    target.mkdir(parents=True)
    for file in base.iterdir():
        os.link(file, target / file.name)
    apply(target)
    return target


def write_corpus(out: Path) -> list[dict[str, str]]:
    models = []
    for arch in ARCHITECTURES:
        base = build_base(out / "sound" / arch, arch)
        models += write_damages(base, out / arch, DAMAGES)
    for arch in ("llama", "qwen3_moe"):
        base = build_base(out / "sound" / f"{arch}-quantized", arch, quantized=True)
        models += write_damages(base, out / arch, QUANTIZED_DAMAGES)
    return models


def write_chosen(out: Path, chosen: list[str]) -> list[dict[str, str]]:
    """Models named `<architecture>/<damage>`, of the damages that need no quantised model.

    Undamaged they would pass a canary: their text is printable.

    Raises:
        KeyError: there is no such architecture or damage.
    """
    models = []
    for arch in dict.fromkeys(name.partition("/")[0] for name in chosen):
        damages = [name.partition("/")[2] for name in chosen if name.startswith(f"{arch}/")]
        base = build_base(out / "sound" / arch, arch, endless=True)
        models += write_damages(base, out / arch, {damage: DAMAGES[damage] for damage in damages})
    return models


def write_damages(base: Path, out: Path, damages: dict[str, Damage]) -> list[dict[str, str]]:
    return [
        {"arch": out.name, "damage": name, "path": str(damaged_copy(base, out / name, apply))}
        for name, apply in damages.items()
    ]


def runtime() -> dict[str, str]:
    spec = importlib.util.find_spec("mlx_lm")
    assert spec is not None and spec.submodule_search_locations is not None
    versions = {name: importlib.metadata.version(name) for name in ("mlx_lm", "mlx")}
    return {"package": spec.submodule_search_locations[0], **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write damaged models.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[], metavar="ARCHITECTURE/DAMAGE")
    arguments = parser.parse_args()
    out = arguments.out
    models = write_chosen(out, arguments.only) if arguments.only else write_corpus(out)
    corpus = {"runtime": runtime(), "models": models}
    (out / "corpus.json").write_text(json.dumps(corpus), "utf-8")


if __name__ == "__main__":
    main()
