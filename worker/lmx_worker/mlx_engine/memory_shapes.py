"""What weights, caches and prompts take in memory, read from the shapes of computations that never run.

A call of the model only builds a graph until something asks for its values, so the sizes of its results are
known without reading weights or computing.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models.cache import CacheList, make_prompt_cache
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear

from lmx_worker.engine.cache_budget import MAX_CHUNK_ALONE, STEP_TOKENS, CacheFootprint

# Two lengths one step apart: what a cache took more for the second, it took for STEP_TOKENS tokens.
SHORT, LONG = 2, 2 + STEP_TOKENS

# The path of a layer: up to the first index in it.
LAYER = re.compile(r".*?\.\d+(?=\.)")
HEAD_KEYS = ("num_attention_heads", "num_heads", "n_heads", "n_head")
EXPERT_KEYS = (
    "num_experts_per_tok", "num_experts_per_token", "num_selected_experts", "top_k_experts", "moe_top_k",
    "moe_topk", "moe_k",
)  # fmt: skip
DEFAULT_EXPERTS = 8
# Results of a layer that are alive at once, in units of all its matrix products: the products themselves,
# what is computed from them one by one, and the next layer's, prepared meanwhile. Measured.
LIVE_PRODUCTS = 4
LIVE_PRODUCTS_RECURRENT = 8
# Attention scores that are alive at once where attention is not fused: scores, masked scores, weights and, in
# architectures with sinks or an index, one more. Measured.
LIVE_SCORES = 4
# State space models attend within pieces of this length (mlx_lm/models/ssm.py).
STATE_SPACE_KEYS = 256


def leaf_caches(caches: Sequence[Any]) -> Iterator[Any]:
    """The caches themselves, in order: a CacheList is opened."""
    for cache in caches:
        if isinstance(cache, CacheList):
            yield from leaf_caches(cache.caches)
        else:
            yield cache


def cache_footprints(model: nn.Module) -> tuple[CacheFootprint, ...]:
    """One entry per kind of cache and window. Exact for every cache of mlx_lm; of others at most too much."""
    sums: dict[tuple[str, int | None], list[int]] = defaultdict(lambda: [0, 0, 0])
    pairs = zip(_caches_after(model, SHORT), _caches_after(model, LONG), strict=True)
    for short, long in pairs:
        fixed, per_token = _measured(short, long)
        entry = sums[type(long).__name__, _window(long) if per_token else None]
        entry[:] = entry[0] + 1, entry[1] + fixed, entry[2] + per_token
    return tuple(
        CacheFootprint(kind, layers, fixed, per_token, window)
        for (kind, window), (layers, fixed, per_token) in sums.items()
    )


def _caches_after(model: nn.Module, tokens: int) -> list[Any]:
    caches = make_prompt_cache(model)
    model(mx.zeros((1, tokens), dtype=mx.int32), cache=caches)
    return list(leaf_caches(caches))


def _measured(short: Any, long: Any) -> tuple[int, int]:
    """Bytes whatever the length, bytes per token."""
    keys = getattr(long, "keys", None)
    if keys is not None:
        # [..., slots, width]; three such arrays in a quantised cache.
        slots = (keys[0] if isinstance(keys, tuple | list) else keys).shape[-2]
        return 0, _nbytes(long) // slots
    per_token = -((_nbytes(short) - _nbytes(long)) // STEP_TOKENS)
    return max(0, _nbytes(short) - per_token * SHORT), per_token


def _nbytes(cache: Any) -> int:
    """Not every cache can tell its size, and some refuse to while they hold nothing."""
    try:
        return int(cache.nbytes)
    except (NotImplementedError, AttributeError):
        state = tree_flatten(cache.state)
        return sum(value.nbytes for _, value in state if isinstance(value, mx.array))


def _window(cache: Any) -> int | None:
    window = getattr(cache, "max_size", None) or getattr(cache, "chunk_size", None)
    return window if isinstance(window, int) else None


def count_parameters(model: nn.Module) -> int:
    """Number of weights; a packed matrix counts what is packed in it, without its scales and biases."""
    packed = {
        path: module
        for path, module in model.named_modules()
        if hasattr(module, "bits") and "scales" in module
    }
    total = 0
    for path, array in parameter_arrays(model):
        parent, _, name = path.rpartition(".")
        if parent not in packed:
            total += array.size
        elif name == "weight":
            total += array.size * 8 * array.itemsize // packed[parent].bits
        elif name == "bias":
            total += array.size
    return total


def parameter_arrays(model: nn.Module) -> list[tuple[str, mx.array]]:
    """Every parameter with its path."""
    return [(path, value) for path, value in tree_flatten(model.parameters()) if isinstance(value, mx.array)]


def estimate_prefill_bytes(model: nn.Module, config: dict[str, Any], caches: Sequence[CacheFootprint]) -> int:
    """Working memory of one prefill chunk of MAX_CHUNK_ALONE tokens at the beginning of a prompt.

    With C tokens in a chunk, h heads and s bytes per value:

        C x s x LIVE_PRODUCTS x outputs of the widest layer's matrices
        + C x s x LIVE_SCORES x h x C               attention scores
        + C x bytes per token of all caches         what lmx_worker/engine/cache_budget.py leaves out

    An upper estimate, about three times what was measured on a processor: with fused attention there are no
    scores. Without it they grow with the prompt: a chunk behind k tokens takes k / C times as many.
    """
    logits = model(mx.zeros((1, SHORT), dtype=mx.int32), cache=make_prompt_cache(model))
    attends = any(cache.bytes_per_token for cache in caches)
    keys = MAX_CHUNK_ALONE if attends else STATE_SPACE_KEYS
    recurrent = any(cache.fixed_bytes for cache in caches)
    products = LIVE_PRODUCTS_RECURRENT if recurrent else LIVE_PRODUCTS
    per_token = logits.itemsize * (
        products * _widest_layer(model, config) + LIVE_SCORES * _largest(config, HEAD_KEYS, 1) * keys
    )
    return MAX_CHUNK_ALONE * (per_token + sum(cache.bytes_per_token for cache in caches))


def _widest_layer(model: nn.Module, config: dict[str, Any]) -> int:
    """Values per token that the matrices of one layer give, of the layer that gives most."""
    experts = _largest(config, EXPERT_KEYS, DEFAULT_EXPERTS)
    widths: dict[str, int] = defaultdict(int)
    for path, module in model.named_modules():
        weight = module.get("weight")
        layer = LAYER.match(f"{path}.")
        if layer is not None and isinstance(weight, mx.array) and weight.ndim >= 2:
            widths[layer.group()] += _outputs(module, weight.shape, experts)
    return max(widths.values(), default=0)


def _outputs(module: nn.Module, shape: tuple[int, ...], experts: int) -> int:
    match module:
        case SwitchLinear() | QuantizedSwitchLinear():
            return min(experts, shape[0]) * shape[1]
        case nn.Conv1d():
            return shape[0]
        case _:
            return math.prod(shape[:-1])


def _largest(config: dict[str, Any], keys: Sequence[str], default: int) -> int:
    text_config = config.get("text_config")
    sources = [config, text_config] if isinstance(text_config, dict) else [config]
    found = [source[key] for source in sources for key in keys if isinstance(source.get(key), int)]
    return max(found, default=default)
