"""Builds a model as large as the largest there are, in 91 files that hold headers and no weights.

`PYTHONPATH=worker python test/bench/python/build_sparse_model.py DIRECTORY`

Names, shapes and types are those of Kimi K2 (61 layers, 384 experts, 10^12 parameters) quantised to 4 bits
by mlx_lm, read from the module that mlx_lm builds and never computes. The data of every file is a hole:
577 GB to whoever asks for their sizes, some megabytes on the disk.
"""

import json
import string
import struct
import sys
from itertools import product
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes, quantize_model

from tests.tiny_models import write_tokenizer

SHARDS = 91
# https://huggingface.co/moonshotai/Kimi-K2-Instruct/blob/main/config.json without what names code of its own.
# Its model_type is kimi_k2, which mlx_lm loads as deepseek_v3; transformers 5.23 makes no tokenizer for it
# without that code.
CONFIG: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "vocab_size": 163840,
    "hidden_size": 7168,
    "num_hidden_layers": 61,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 384,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.827,
    "first_k_dense_replace": 1,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "max_position_embeddings": 131072,
    "rope_theta": 50000.0,
    "rope_scaling": {
        "type": "yarn",
        "factor": 32.0,
        "beta_fast": 1.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
    },
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "eos_token_id": 0,
}
DTYPES = {mx.bfloat16: "BF16", mx.float32: "F32", mx.uint32: "U32"}
# Rows of the embedding that no token stands for, as in the original.
SPARE_ROWS = 256

Tensor = tuple[str, mx.array]


def lazy_tensors() -> tuple[list[Tensor], dict[str, Any]]:
    """Every parameter of the quantised model, none of them computed, and the config to load them with."""
    model_class, arguments_class = _get_classes(CONFIG)
    model = model_class(arguments_class.from_dict(CONFIG))
    model.set_dtype(mx.bfloat16)
    model, config = quantize_model(model, CONFIG, 64, 4)
    return [(name, value) for name, value in tree_flatten(model.parameters())], config


def in_shards(tensors: list[Tensor]) -> list[list[Tensor]]:
    """In their order, cut where a further 91st of all bytes begins."""
    total = sum(value.nbytes for _, value in tensors)
    shards: list[list[Tensor]] = [[] for _ in range(SHARDS)]
    before = 0
    for tensor in tensors:
        shards[before * SHARDS // total].append(tensor)
        before += tensor[1].nbytes
    return shards


def write_sparse(file: Path, tensors: list[Tensor]) -> None:
    """A safetensors file of the right header and size, without a byte of data."""
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, value in tensors:
        begin, end = end, end + value.nbytes
        header[name] = {"dtype": DTYPES[value.dtype], "shape": value.shape, "data_offsets": [begin, end]}
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    with file.open("wb") as output:
        output.write(struct.pack("<Q", len(content)) + content)
        output.truncate(8 + len(content) + end)


def write_large_tokenizer(directory: Path) -> None:
    """The tests' tokenizer with as many tokens as the model has use for: letters merged step by step."""
    write_tokenizer(directory)
    file = directory / "tokenizer.json"
    tokenizer = json.loads(file.read_text("utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    free = 1 + max([*vocabulary.values(), *(token["id"] for token in tokenizer["added_tokens"])])
    merges: list[list[str]] = tokenizer["model"]["merges"]
    known = list(string.ascii_letters)
    for length in range(2, 8):
        longer = []
        for start, letter in product(known, string.ascii_letters):
            if free >= CONFIG["vocab_size"] - SPARE_ROWS:
                break
            if start + letter not in vocabulary:
                vocabulary[start + letter] = free
                merges.append([start, letter])
                free += 1
            longer.append(start + letter)
        # Few beginnings of each length, so that tokens of every length come about.
        known = longer[:: max(1, len(longer) // (400 * length))]
    file.write_text(json.dumps(tokenizer, indent=2, ensure_ascii=False), "utf-8")


def main() -> None:
    """Write the model to the directory named on the command line."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    tensors, config = lazy_tensors()
    weight_map = {}
    for number, shard in enumerate(in_shards(tensors), 1):
        name = f"model-{number:05d}-of-{SHARDS:05d}.safetensors"
        write_sparse(directory / name, shard)
        weight_map |= dict.fromkeys((tensor for tensor, _ in shard), name)
    total = sum(value.nbytes for _, value in tensors)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=4), "utf-8")
    write_large_tokenizer(directory)
    (directory / "config.json").write_text(json.dumps(config, indent=4), "utf-8")


if __name__ == "__main__":
    main()
