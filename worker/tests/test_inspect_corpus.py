"""Inspection against mlx_lm itself, on every architecture times every damage of the corpus."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.inspect import inspect_model
from lmx_worker.wire.commands import Inspect
from tests import load_oracle
from tests.damaged_models import write_corpus
from tests.tiny_architectures import ARCHITECTURES

# Damages that mlx_lm loads without a word, and inspection refuses. Other silent ones are for the checks that
# the supervisor makes before (test/admission), which have no need of the architecture's code.
REFUSED_THOUGH_LOADED = {
    "tokenizer-files-all-missing": "some architectures get an invented, empty tokenizer",
    "quantized-labelled-signed": "the first product raises",
}
# Found by nothing else than the strict load and the rendering.
NEEDS_INSPECTION = (
    "tensor-dropped", "tensor-extra", "tensor-misshapen", "layers-extra", "config-without-field",
    "config-with-text-for-a-number", "config-without-heads", "template-with-unknown-filter",
)  # fmt: skip
# Nothing is wrong with these: kimi and deepseek drop later layers, gemma ties a head that may be missing.
TOLERATED = {"tensor-dropped", "layers-extra"}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every model of the corpus with mlx_lm's verdict and ours, which are reached at the same time."""
    models = write_corpus(tmp_path_factory.mktemp("corpus"))
    scratch = tmp_path_factory.mktemp("oracle")
    (scratch / "paths").write_text("".join(f"{model['path']}\n" for model in models))
    with (scratch / "paths").open() as paths, (scratch / "answers").open("w") as answers:
        command = [sys.executable, load_oracle.__file__]
        oracle = subprocess.Popen(command, stdin=paths, stdout=answers, stderr=subprocess.DEVNULL)
        codes = [code_of(Path(model["path"])) for model in models]
        assert oracle.wait() == 0
    truths = [json.loads(line) for line in (scratch / "answers").read_text().splitlines()]
    return [
        {**model, "code": code, "works": truth["works"]}
        for model, code, truth in zip(models, codes, truths, strict=True)
    ]


def code_of(path: Path) -> str | None:
    try:
        inspect_model(Inspect("m", str(path), None))
    except RequestFailure as failure:
        return failure.word
    return None


def test_every_verdict_is_that_of_mlx_lm_or_has_a_reason(judged: list[dict[str, Any]]) -> None:
    assert {model["arch"] for model in judged} == set(ARCHITECTURES) and len(judged) > 800
    unexplained = [
        model
        for model in judged
        if (model["code"] is None) != model["works"]
        and not (model["works"] and model["damage"] in REFUSED_THOUGH_LOADED)
    ]
    assert unexplained == []


def test_every_reason_is_still_needed(judged: list[dict[str, Any]]) -> None:
    differing = {model["damage"] for model in judged if model["works"] and model["code"] is not None}
    assert differing == set(REFUSED_THOUGH_LOADED)


def test_what_only_the_strict_load_finds_is_an_incomplete_model(judged: list[dict[str, Any]]) -> None:
    codes: dict[str, set[str | None]] = defaultdict(set)
    for model in judged:
        codes[model["damage"]].add(model["code"])
    for damage in NEEDS_INSPECTION:
        assert codes[damage] - ({None} if damage in TOLERATED else set()) == {"model_incomplete"}, damage


def test_a_sound_model_of_every_architecture_is_inspected(judged: list[dict[str, Any]]) -> None:
    sound = [model for model in judged if model["damage"] in ("sound", "quantized-sound")]
    assert len(sound) == len(ARCHITECTURES) + 2
    assert {model["code"] for model in sound} == {None}
