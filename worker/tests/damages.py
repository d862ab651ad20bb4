"""What may be wrong with a model's weights, and what only looks so. Each takes a sound directory."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.raw_safetensors import read_shard, replace, tensors_of, write_shard, write_tensors

FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
FAR_ID = 100_000

Damage = Callable[[Path], None]
DAMAGES: dict[str, Damage] = {}


def damage(function: Damage) -> Damage:
    DAMAGES[function.__name__.replace("_", "-")] = function
    return function


def change_json(file: Path, **changes: Any) -> None:
    """Set keys; `...` removes one."""
    value = {**json.loads(file.read_text("utf-8")), **changes}
    replace(file, json.dumps({key: item for key, item in value.items() if item is not ...}))


def change_config(directory: Path, **changes: Any) -> None:
    change_json(directory / "config.json", **changes)


def change_text_config(directory: Path, **changes: Any) -> None:
    """Where the language model's numbers are."""
    config = json.loads((directory / "config.json").read_text("utf-8"))
    if "text_config" not in config:
        change_config(directory, **changes)
        return
    text = {**config["text_config"], **changes}
    change_config(directory, text_config={key: item for key, item in text.items() if item is not ...})


def change_tokenizer(directory: Path, **changes: Any) -> None:
    change_json(directory / "tokenizer_config.json", **changes)


def matrix_of(directory: Path) -> tuple[Path, str]:
    """A tensor of two unequal dimensions, and its file."""
    for file in (directory / FIRST, directory / SECOND):
        for name, (_, shape, _) in tensors_of(file).items():
            if len(shape) == 2 and shape[0] != shape[1] and "embed" not in name:
                return file, name
    raise LookupError("no such tensor")


def change_header(file: Path, name: str, **changes: Any) -> None:
    header, data = read_shard(file)
    header[name] |= changes
    write_shard(file, header, data)


def change_values(directory: Path, value: float) -> None:
    for file in (directory / FIRST, directory / SECOND):
        filled = {
            name: (dtype, shape, struct.pack("<f", value) * (len(data) // 4))
            for name, (dtype, shape, data) in tensors_of(file).items()
        }
        write_tensors(file, filled)


@damage
def sound(directory: Path) -> None:
    pass


# The files of the weights.


@damage
def shard_missing(directory: Path) -> None:
    (directory / SECOND).unlink()


@damage
def shard_missing_without_index(directory: Path) -> None:
    (directory / SECOND).unlink()
    (directory / INDEX).unlink()


@damage
def shard_half_downloaded(directory: Path) -> None:
    (directory / SECOND).rename(directory / f"{SECOND}.incomplete")


@damage
def shard_truncated(directory: Path) -> None:
    content = (directory / SECOND).read_bytes()
    replace(directory / SECOND, content[: len(content) - 100])


@damage
def header_truncated(directory: Path) -> None:
    replace(directory / SECOND, (directory / SECOND).read_bytes()[:100])


@damage
def header_length_hostile(directory: Path) -> None:
    replace(directory / SECOND, struct.pack("<Q", 1 << 60) + (directory / SECOND).read_bytes()[8:])


@damage
def header_length_big_endian(directory: Path) -> None:
    content = (directory / SECOND).read_bytes()
    replace(directory / SECOND, content[:8][::-1] + content[8:])


@damage
def header_not_json(directory: Path) -> None:
    content = bytearray((directory / SECOND).read_bytes())
    content[20] = 0
    replace(directory / SECOND, bytes(content))


@damage
def shard_empty(directory: Path) -> None:
    replace(directory / SECOND, b"")


@damage
def shard_lfs_pointer(directory: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123456\n"
    replace(directory / SECOND, pointer)


@damage
def shard_link_broken(directory: Path) -> None:
    (directory / SECOND).unlink()
    (directory / SECOND).symlink_to("../blobs/gone")


@damage
def shards_linked(directory: Path) -> None:
    blobs = directory / "blobs"
    blobs.mkdir()
    for name in (FIRST, SECOND):
        os.rename(directory / name, blobs / name)
        (directory / name).symlink_to(f"blobs/{name}")


@damage
def weights_only_gguf(directory: Path) -> None:
    (directory / FIRST).unlink()
    (directory / SECOND).rename(directory / "model-q4_k_m.gguf")


@damage
def weights_only_pytorch(directory: Path) -> None:
    (directory / FIRST).unlink()
    (directory / SECOND).rename(directory / "pytorch_model.bin")


@damage
def weights_all_missing(directory: Path) -> None:
    (directory / FIRST).unlink()
    (directory / SECOND).unlink()


# The tensors in them.


@damage
def tensor_dropped(directory: Path) -> None:
    file, name = matrix_of(directory)
    write_tensors(file, {key: value for key, value in tensors_of(file).items() if key != name})


@damage
def tensor_extra(directory: Path) -> None:
    tensors = tensors_of(directory / SECOND)
    name, content = next(iter(tensors.items()))
    write_tensors(directory / SECOND, {**tensors, f"{name}_of_another_model": content})


@damage
def tensor_misshapen(directory: Path) -> None:
    file, name = matrix_of(directory)
    change_header(file, name, shape=tensors_of(file)[name][1][::-1])


@damage
def tensor_duplicated(directory: Path) -> None:
    tensors = tensors_of(directory / FIRST)
    name, content = next(iter(tensors.items()))
    write_tensors(directory / SECOND, {**tensors_of(directory / SECOND), name: content})


@damage
def shard_stray(directory: Path) -> None:
    replace(directory / "model-old.safetensors", (directory / FIRST).read_bytes())


@damage
def tensors_overlap(directory: Path) -> None:
    file, name = matrix_of(directory)
    header, _ = read_shard(file)
    begin, end = header[name]["data_offsets"]
    shift = 64 if begin >= 64 else -64
    change_header(file, name, data_offsets=[begin - shift, end - shift])


@damage
def tensor_longer_than_its_shape(directory: Path) -> None:
    file, name = matrix_of(directory)
    rows, columns = tensors_of(file)[name][1]
    change_header(file, name, shape=[rows - 1, columns])


@damage
def tensor_labelled_integer(directory: Path) -> None:
    file, name = matrix_of(directory)
    change_header(file, name, dtype="I32")


@damage
def tensor_of_unsupported_type(directory: Path) -> None:
    file, name = matrix_of(directory)
    rows, columns = tensors_of(file)[name][1]
    change_header(file, name, dtype="F64", shape=[rows, columns // 2])


@damage
def padding_before(directory: Path) -> None:
    header, data = read_shard(directory / SECOND)
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + 64 for offset in entry["data_offsets"]]
    write_shard(directory / SECOND, header, bytes(64) + data)


@damage
def padding_after(directory: Path) -> None:
    replace(directory / SECOND, (directory / SECOND).read_bytes() + bytes(64))


@damage
def values_nan(directory: Path) -> None:
    change_values(directory, float("nan"))


@damage
def values_infinite(directory: Path) -> None:
    change_values(directory, float("inf"))


@damage
def values_zero(directory: Path) -> None:
    change_values(directory, 0.0)


# The index, which mlx_lm does not read.


@damage
def index_missing(directory: Path) -> None:
    (directory / INDEX).unlink()


@damage
def index_not_json(directory: Path) -> None:
    replace(directory / INDEX, "{")


@damage
def index_of_other_files(directory: Path) -> None:
    weight_map = json.loads((directory / INDEX).read_text())["weight_map"]
    change_json(directory / INDEX, weight_map=dict.fromkeys(weight_map, "model-00001-of-00009.safetensors"))


@damage
def index_swaps_files(directory: Path) -> None:
    weight_map = json.loads((directory / INDEX).read_text())["weight_map"]
    change_json(directory / INDEX, weight_map=dict.fromkeys(weight_map, FIRST))


@damage
def index_names_unknown_tensor(directory: Path) -> None:
    weight_map = json.loads((directory / INDEX).read_text())["weight_map"]
    change_json(directory / INDEX, weight_map={**weight_map, "model.rotary.inv_freq": FIRST})
