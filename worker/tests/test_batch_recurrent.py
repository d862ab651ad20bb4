"""Rows of models with a recurrent state, which padding would enter: each gives what it gives alone."""

import random
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.utils import load_model

from lmx_worker.mlx_engine.batch import Batch
from reduced_models.architectures import find_architecture
from reduced_models.build import build_reduced
from tests.test_batch import PROMPTS, Run, alone, greedy, interleaved


@pytest.fixture(scope="module", params=["jamba", "mamba", "nemotron_h", "olmo_hybrid"])
def model(request: pytest.FixtureRequest, models: Path) -> Any:
    """None of these masks its state while a prompt is padded."""
    directory = models / f"recurrent-{request.param}"
    build_reduced(find_architecture(request.param), directory)
    return load_model(directory)[0]


def test_prompts_of_any_length_share_a_prefill(model: Any) -> None:
    rows = [greedy(prompt, 12) for prompt in PROMPTS]
    run = Run(Batch(model, (), 8))
    numbers = [run.insert(row) for row in rows]
    assert run.until_done(*numbers) == [alone(model, row) for row in rows]


def test_rows_join_and_leave_at_any_time(model: Any) -> None:
    rows = [greedy(prompt, 12) for prompt in PROMPTS]
    expected = [alone(model, row) for row in rows]
    for seed in range(2):
        assert interleaved(model, rows, random.Random(seed)) == expected


def test_a_short_prompt_is_not_held_up_by_a_long_one(model: Any) -> None:
    """They share the prefill; one after the other the short one would wait for all of the long one."""
    run = Run(Batch(model, (), 8))
    long, short = run.insert(greedy([7] * 200)), run.insert(greedy([5, 6, 7]))
    for _ in range(3):
        run.step(chunk=16)
    assert run.tokens[short] and not run.tokens[long]
