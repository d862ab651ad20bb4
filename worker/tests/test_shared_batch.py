"""How many rows a loaded model takes at once, found by trying it."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

from lmx_worker.engine.interface import RowRequest
from lmx_worker.mlx_engine import MlxEngine, shared_batch
from lmx_worker.mlx_engine.batch import Batch
from lmx_worker.mlx_engine.shared_batch import why_single_row
from lmx_worker.wire.commands import Load
from reduced_models.architectures import find_architecture
from reduced_models.build import build_reduced
from tests.tiny_architectures import VOCABULARY_SIZE
from tests.tiny_models import build_model

PROMPTS = [[5, 6, 7, 8, 9], [40, 41]]


def reduced(name: str, directory: Path, **changes: Any) -> Path:
    """A reduced model on disk, its config changed."""
    build_reduced(find_architecture(name), directory)
    file = directory / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return directory


def reason(model: Any) -> str | None:
    return why_single_row(model, lambda: Batch(model, (), 8), VOCABULARY_SIZE)


def answers(engine: MlxEngine, prompts: list[list[int]]) -> list[list[int]]:
    """Greedy answers of six tokens, all asked for at once."""
    rows = [engine.insert(RowRequest(prompt, len(prompt), 6)) for prompt in prompts]
    found: dict[int, list[int]] = {row: [] for row in rows}
    while any(len(tokens) < 6 for tokens in found.values()):
        for token in engine.step(16).tokens:
            found[token.row].append(token.token_id)
    return list(found.values())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("internlm2", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),
        ("gpt_bigcode", {}),
        ("gemma2", {}),
        ("afm7", {}),
    ],
)
def test_a_model_whose_rows_cannot_share_a_batch_gets_one_at_a_time(
    name: str, changes: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(reduced(name, tmp_path, **changes))
    engine = MlxEngine()
    assert engine.load(Load("m", path, None, 4), lambda _: None).max_rows == 1
    assert "one row at a time" in capfd.readouterr().err
    together = answers(engine, PROMPTS)
    assert together == [answers(engine, [prompt])[0] for prompt in PROMPTS]
    engine.close()


def test_a_model_that_shares_a_batch_keeps_what_was_asked_for(llama: Path) -> None:
    engine = MlxEngine()
    for wanted in (1, 7):
        assert engine.load(Load("m", str(llama), None, wanted), lambda _: None).max_rows == wanted
    engine.close()


@pytest.mark.parametrize("name", ["gemma3_text", "gpt_oss", "kimi_k2", "mamba2", "minimax_m2", "qwen3_moe"])
def test_rounding_is_no_difference(name: str, tmp_path: Path) -> None:
    """In four bits a batch goes through other kernels than a single row does."""
    model: Any = load_model(build_model(tmp_path, name))[0]
    assert reason(model) is None
    nn.quantize(model, 32, 4, class_predicate=packable)
    assert reason(model) is None


def packable(_: str, module: nn.Module) -> bool:
    return hasattr(module, "to_quantized") and module["weight"].shape[-1] % 32 == 0


def test_a_state_that_padding_entered_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(reduced("mamba", tmp_path))[0]
    assert reason(model) is None
    monkeypatch.setattr(Batch, "_even_chunk", lambda _, chunk: chunk)
    found = reason(model)
    assert found is not None and found.startswith("of its likeliest tokens")


class FakeTrouble:
    """A model that does something else as soon as there are two rows."""

    def __init__(self, model: Any, trouble: Exception | None = None) -> None:
        self.model, self.layers, self.trouble = model, model.layers, trouble

    def make_cache(self) -> Any:
        return make_prompt_cache(self.model)

    def __call__(self, tokens: mx.array, cache: Any) -> mx.array:
        logits = self.model(tokens, cache=cache)
        if tokens.shape[0] == 1:
            return logits
        if self.trouble is not None:
            raise self.trouble
        return logits[::-1]


def test_rows_that_get_each_others_answers_are_a_difference(llama: Path) -> None:
    model = load_model(llama)[0]
    found = reason(FakeTrouble(model))
    assert found is not None and found.startswith("of its likeliest tokens")
    assert reason(FakeTrouble(model, TypeError("positions"))) == "TypeError: positions"


class FakeMemoryOfTokens(FakeTrouble):
    """A model that looks at the token before the last one, and does not mind that there may be none."""

    def __call__(self, tokens: mx.array, cache: Any) -> mx.array:
        if tokens.shape[1] == 1 and cache[0].empty():
            raise IndexError("no token before")
        return self.model(tokens, cache=cache)


def test_a_row_that_fails_alone_costs_the_load_nothing_but_the_batch(llama: Path) -> None:
    model = FakeMemoryOfTokens(load_model(llama)[0])
    assert reason(model) == "IndexError: no token before"


def test_a_difference_on_strange_tokens_alone_is_none(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([0.1, 0.9])
    monkeypatch.setattr(shared_batch, "_kept_beside_others", lambda *_: next(shares))
    assert reason(load_model(llama)[0]) is None


def test_a_lost_device_is_not_a_matter_of_rows(llama: Path) -> None:
    lost = RuntimeError("[METAL] Command buffer execution failed: x")
    with pytest.raises(RuntimeError, match="METAL"):
        reason(FakeTrouble(load_model(llama)[0], lost))
