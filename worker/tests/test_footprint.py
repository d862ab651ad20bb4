"""What is read from shapes that are never computed, against what real caches and prompts take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx_lm.models.cache import CacheList, ChunkedKVCache, KVCache, QuantizedKVCache, make_prompt_cache
from mlx_lm.utils import get_total_parameters, load_model

from lmx_worker.engine.cache_budget import MAX_CHUNK_ALONE, batch_bytes, row_bytes
from lmx_worker.engine.interface import RowRequest
from lmx_worker.mlx_engine.batch import Batch
from lmx_worker.mlx_engine.memory_shapes import (
    cache_footprints,
    count_parameters,
    estimate_prefill_bytes,
    leaf_caches,
    parameter_arrays,
)
from tests.tiny_architectures import ARCHITECTURES, VOCABULARY_SIZE
from tests.tiny_models import build_model

LENGTHS = (10, 257, 512, 600)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def model(request: pytest.FixtureRequest, models: Path) -> Iterator[Any]:
    """Before its weights are read."""
    yield load_model(build_model(models / f"footprint-{request.param}", request.param), lazy=True)[0]


def prompt(length: int) -> list[int]:
    return [1 + i % (VOCABULARY_SIZE - 1) for i in range(length)]


def test_the_formula_is_what_a_row_alone_takes(model: Any) -> None:
    footprints = cache_footprints(model)
    for length in LENGTHS:
        caches = make_prompt_cache(model)
        # As a prompt is read: all but the last token, then the last one alone.
        for part in (prompt(length)[:-1], prompt(length)[-1:]):
            model(mx.array([part]), cache=caches)
            mx.eval([cache.state for cache in caches])
        held = sum(cache.nbytes for cache in leaf_caches(caches))
        assert held == row_bytes(footprints, length)


def held_by(batch: Batch) -> int:
    return batch._generator.prompt_cache_nbytes


def test_the_formula_is_what_the_only_row_of_a_batch_takes(model: Any) -> None:
    footprints = cache_footprints(model)
    batch = Batch(model, (), max_rows=4)
    batch.insert(RowRequest(prompt(300), 300, max_tokens=9))
    while not batch.step(prefill_chunk=MAX_CHUNK_ALONE).tokens:
        pass
    assert held_by(batch) == row_bytes(footprints, 301)


def test_no_batch_takes_more_than_the_formula_says(model: Any) -> None:
    """Rows of many lengths join and leave; a prompt still being read may add its chunk, as documented."""
    footprints = cache_footprints(model)
    chunk = 100
    lengths = [(3, 300), (40, 20), (250, 10), (130, 140)]
    bound = batch_bytes(footprints, len(lengths), max(length + more for length, more in lengths))
    of_chunks = len(lengths) * chunk * sum(cache.bytes_per_token for cache in footprints)
    batch = Batch(model, (), max_rows=len(lengths))
    left, steps, most = 0, 0, 0
    for length, more in lengths:
        batch.insert(RowRequest(prompt(length), length, max_tokens=more))
    while left < len(lengths):
        result = batch.step(prefill_chunk=chunk)
        left += sum(token.finish is not None for token in result.tokens)
        steps += 1
        allowed = bound + of_chunks if result.prefilled_tokens else bound
        assert held_by(batch) <= allowed, f"after step {steps}"
        most = max(most, held_by(batch))
    assert most > bound / 4, "a bound nobody comes near says nothing"


def test_shapes_are_known_without_reading_weights(model: Any) -> None:
    mx.synchronize()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    cache_footprints(model)
    count_parameters(model)
    total = sum(array.nbytes for _, array in parameter_arrays(model))
    assert mx.get_peak_memory() - before < total / 4


def test_a_cache_list_is_opened_and_kinds_with_different_windows_are_told_apart(models: Path) -> None:
    (pair,) = cache_footprints(load_model(build_model(models / "dsa", "deepseek_v32"), lazy=True)[0])
    assert (pair.kind, pair.layers, pair.window_tokens) == ("KVCache", 4, None)
    found = cache_footprints(load_model(build_model(models / "gemma", "gemma3_text"), lazy=True)[0])
    assert [(item.kind, item.layers, item.window_tokens) for item in found] == [
        ("RotatingKVCache", 1, 32),
        ("KVCache", 1, None),
    ]
    (state,) = cache_footprints(load_model(build_model(models / "mamba", "mamba2"), lazy=True)[0])
    assert (state.kind, state.bytes_per_token, state.window_tokens) == ("ArraysCache", 0, None)
    assert state.fixed_bytes > 0


class GrowingCache:
    """A kind mlx_lm does not have: a state and something for each token, without keys."""

    def __init__(self) -> None:
        self.state = (mx.zeros((0,)), [])

    def update(self, tokens: int) -> None:
        self.state = (mx.zeros((100 + 3 * tokens,)), [])


class ModelWithCaches(nn.Module):
    """Feeds one cache of every other kind."""

    def make_cache(self) -> list[Any]:
        return [CacheList(KVCache(), ChunkedKVCache(64)), QuantizedKVCache(), GrowingCache()]

    def __call__(self, tokens: mx.array, cache: list[Any]) -> mx.array:
        keys = mx.zeros((1, 2, tokens.shape[1], 64))
        (plain, chunked), quantized, growing = cache[0].caches, cache[1], cache[2]
        for item in (plain, chunked, quantized):
            item.update_and_fetch(keys, keys)
        growing.update(tokens.shape[1])
        return keys


def test_chunked_quantised_and_unknown_caches() -> None:
    found = {item.kind: item for item in cache_footprints(ModelWithCaches())}
    plain = 2 * 2 * 64 * 4
    assert (found["KVCache"].bytes_per_token, found["KVCache"].window_tokens) == (plain, None)
    assert (found["ChunkedKVCache"].bytes_per_token, found["ChunkedKVCache"].window_tokens) == (plain, 64)
    # 8 bits, and for each 64 of them a scale and a bias.
    assert found["QuantizedKVCache"].bytes_per_token == 2 * 2 * (64 + 2 * 4)
    assert (found["GrowingCache"].fixed_bytes, found["GrowingCache"].bytes_per_token) == (400, 12)


def test_parameters_are_counted_as_what_is_packed(models: Path) -> None:
    model, _ = load_model(build_model(models / "counted", "qwen3_moe"), lazy=True)
    plain = count_parameters(model)
    assert plain == sum(array.size for _, array in parameter_arrays(model)) == get_total_parameters(model)
    nn.quantize(model, group_size=32, bits=4)
    assert count_parameters(model) == plain
    assert sum(array.size for _, array in parameter_arrays(model)) < plain


@pytest.mark.parametrize("arch", ["llama", "gpt_oss", "mamba2"])
def test_the_estimate_of_a_prefill_is_above_what_it_takes_and_not_far_above(models: Path, arch: str) -> None:
    model, config = load_model(build_model(models / f"prefill-{arch}", arch))
    footprints = cache_footprints(model)
    estimate = estimate_prefill_bytes(model, config, footprints)
    tokens, caches = mx.array([prompt(MAX_CHUNK_ALONE)]), make_prompt_cache(model)
    mx.eval(tokens)
    mx.synchronize()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    model(tokens, cache=caches)
    mx.eval([cache.state for cache in caches])
    mx.synchronize()
    taken = mx.get_peak_memory() - before - row_bytes(footprints, MAX_CHUNK_ALONE)
    assert taken <= estimate < 20 * taken
