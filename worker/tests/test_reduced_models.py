"""Every reduced model goes exactly as far as the table of limits says."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model, load_tokenizer

from lmx_worker.engine.interface import RowRequest
from lmx_worker.mlx_engine.batch import Batch
from lmx_worker.mlx_engine.shared_batch import why_single_row
from reduced_models.architectures import Architecture, list_architectures
from reduced_models.build import build_reduced
from reduced_models.known_limits import LIMITS, LIMITS_OF, LimitKind
from reduced_models.tokenizer import is_printable

TOKENS = 4
MAX_ROWS = 8
# Shorter than the prompts, and no divisor of their lengths.
CHUNK = 7
PROMPT = [{"role": "user", "content": "canary"}]
LONGER_PROMPT = [{"role": "user", "content": "the quick brown fox jumps over the lazy dog"}]
# On a Mac these run.
ELSEWHERE: tuple[LimitKind, ...] = ("needs-metal",) if mx.metal.is_available() else ()


@pytest.mark.parametrize("architecture", list_architectures(), ids=lambda row: row.name)
def test_a_reduced_model_goes_as_far_as_its_known_limit(architecture: Architecture, tmp_path: Path) -> None:
    limit = LIMITS.get(architecture.family)
    expected = limit.kind if limit and limit.kind not in ELSEWHERE else None
    assert observed_limit(architecture, tmp_path) == expected


def test_the_limits_are_those_of_the_installed_version() -> None:
    assert version("mlx-lm") == LIMITS_OF
    assert set(LIMITS) <= {row.family for row in list_architectures()}


def observed_limit(architecture: Architecture, directory: Path) -> LimitKind | None:
    """What stops this architecture, found by trying; None: a batch of prompts is answered as each alone."""
    try:
        build_reduced(architecture, directory)
    except (Exception, SystemExit):
        return "cannot-build"
    config = json.loads((directory / "config.json").read_text())
    assert config["model_type"] == architecture.selector["model_type"]
    model, config = load_model(directory, strict=True)
    try:
        tokenizer = load_tokenizer(directory, eos_token_ids=config["eos_token_id"])
    except Exception:
        return "tokenizer-refused"
    if any(not hasattr(cache, "merge") for cache in leaves(make_prompt_cache(model))):
        return "cannot-batch"
    try:
        logits = model(mx.array([[1, 2, 3]]), cache=make_prompt_cache(model))[0].astype(mx.float32)
        mx.eval(logits)
    except RuntimeError as error:
        assert "No Metal back-end" in str(error)
        return "needs-metal"
    assert not mx.any(mx.isnan(logits)) and not mx.any(mx.isposinf(logits))
    assert mx.all(mx.max(logits, axis=-1) > mx.min(logits, axis=-1))
    if why_single_row(model, lambda: Batch(model, (), MAX_ROWS), logits.shape[-1]) is not None:
        return "fails-in-batch"
    prompts = [
        tokenizer.apply_chat_template(prompt, add_generation_prompt=True)
        for prompt in (PROMPT, LONGER_PROMPT)
    ]
    prompts += [prompts[0][:2], prompts[1][:1]]
    answers = generate(model, prompts)
    assert answers == [generate(model, [prompt])[0] for prompt in prompts]
    assert all(
        is_printable(tokenizer._tokenizer.backend_tokenizer, token) for row in answers for token in row
    )
    return None


def generate(model: Any, prompts: list[list[int]]) -> list[list[int]]:
    """Greedy answers of TOKENS tokens, all prompts in one batch."""
    batch = Batch(model, (), MAX_ROWS)
    rows = [batch.insert(RowRequest(prompt, len(prompt), TOKENS)) for prompt in prompts]
    answers: dict[int, list[int]] = {row: [] for row in rows}
    while any(len(answer) < TOKENS for answer in answers.values()):
        for token in batch.step(CHUNK).tokens:
            answers[token.row].append(token.token_id)
    batch.close()
    return list(answers.values())


def leaves(caches: list[Any]) -> Iterator[Any]:
    for cache in caches:
        inner = getattr(cache, "caches", None)
        yield from leaves(list(inner)) if inner is not None else [cache]
