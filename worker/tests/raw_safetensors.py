"""safetensors files as bytes, so that tests can write what no library would."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Header = dict[str, dict[str, Any]]


def read_shard(file: Path) -> tuple[Header, bytes]:
    """Header and data of a sound file."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_shard(file: Path, header: Header, data: bytes) -> None:
    """Whatever was in the file stays as it is for others that link to it."""
    text = json.dumps(header).encode()
    replace(file, struct.pack("<Q", len(text)) + text + data)


def replace(file: Path, content: bytes | str) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def tensors_of(file: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """Dtype, shape and bytes by name."""
    header, data = read_shard(file)
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def write_tensors(file: Path, tensors: Mapping[str, tuple[str, list[int], bytes]]) -> None:
    header: Header = {}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += content
    write_shard(file, header, data)
