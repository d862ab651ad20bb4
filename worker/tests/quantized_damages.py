"""What may be wrong with packed weights. Applied to a quantised model, unlike those of `damages`."""

import json
from pathlib import Path

from tests.damages import FIRST, SECOND, Damage, change_config
from tests.raw_safetensors import tensors_of, write_tensors


def packed_tensor(directory: Path) -> tuple[Path, str]:
    """File and path of a quantised layer."""
    for file in (directory / FIRST, directory / SECOND):
        for name in tensors_of(file):
            if name.endswith(".scales"):
                return file, name.removesuffix(".scales")
    raise LookupError("nothing is quantised")


def quantized_sound(directory: Path) -> None:
    pass


def quantized_with_wrong_general_bits(directory: Path) -> None:
    change_config(directory, quantization={"group_size": 32, "bits": 8})


def quantized_with_wrong_bits_of_its_own(directory: Path) -> None:
    _, path = packed_tensor(directory)
    config = json.loads((directory / "config.json").read_text())
    entry = {path: {"group_size": 32, "bits": 8}}
    change_config(directory, quantization={**config["quantization"], **entry})


def quantized_with_torn_scales(directory: Path) -> None:
    file, path = packed_tensor(directory)
    tensors = tensors_of(file)
    dtype, (rows, columns), data = tensors[f"{path}.scales"]
    tensors[f"{path}.scales"] = (dtype, [rows * columns, 1], data)
    write_tensors(file, tensors)


def quantized_labelled_signed(directory: Path) -> None:
    file, path = packed_tensor(directory)
    tensors = tensors_of(file)
    _, shape, data = tensors[f"{path}.weight"]
    tensors[f"{path}.weight"] = ("I32", shape, data)
    write_tensors(file, tensors)


QUANTIZED_DAMAGES: dict[str, Damage] = {
    function.__name__.replace("_", "-"): function
    for function in (
        quantized_sound,
        quantized_with_wrong_general_bits,
        quantized_with_wrong_bits_of_its_own,
        quantized_with_torn_scales,
        quantized_labelled_signed,
    )
}
