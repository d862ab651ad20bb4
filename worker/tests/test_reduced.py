"""The list of architectures, the reduced configs, and the command line."""

import json
import subprocess
import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlx_lm.utils import MODEL_ARCHITECTURE_REMAPPING, MODEL_REMAPPING, _get_classes

from reduced_models import config as config_module
from reduced_models import overrides
from reduced_models.architectures import Architecture, find_architecture, list_architectures
from reduced_models.build import TooLarge, build_reduced
from reduced_models.config import UnknownField, reduced_config
from reduced_models.known_limits import LIMITS
from reduced_models.small_values import HIDDEN
from tests.tiny_architectures import ARCHITECTURES
from tests.worker_process import WORKER_DIRECTORY


def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "reduced_models", *arguments]
    done = subprocess.run(command, cwd=WORKER_DIRECTORY, capture_output=True, text=True, timeout=100)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_the_list_names_every_module_and_every_remapped_type_once() -> None:
    rows = list_architectures()
    names = [row.name for row in rows]
    assert len(names) == len(set(names)) == 126 + len(MODEL_REMAPPING)
    assert {(row.name, row.family) for row in rows if row.name in MODEL_REMAPPING} == set(
        MODEL_REMAPPING.items()
    )
    assert set(MODEL_ARCHITECTURE_REMAPPING.values()) <= set(names)
    assert set(ARCHITECTURES) <= set(names)
    assert {"glm4", "kimi_linear", "minimax"} <= set(names)


@pytest.mark.parametrize("name", ["kimi_k2", "minimax_m2", "bailing_moe_v3", "lfm2-vl", "llama"])
def test_a_config_selects_the_module_its_row_names(name: str) -> None:
    architecture = find_architecture(name)
    model_class, _ = _get_classes(reduced_config(architecture))
    assert model_class.__module__ == f"mlx_lm.models.{architecture.family}"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(LookupError, match="no architecture 'nonsense'"):
        find_architecture("nonsense")


def test_hand_written_tables_name_only_modules_that_exist() -> None:
    families = {row.family for row in list_architectures()}
    for table in (
        overrides.OVERRIDES,
        overrides.TEXT_OVERRIDES,
        overrides.TEXT_ARGUMENTS,
        overrides.TEXT_TYPES,
        LIMITS,
    ):
        assert set(table) <= families


def config_of(monkeypatch: pytest.MonkeyPatch, arguments: type) -> dict[str, Any]:
    module = SimpleNamespace(ModelArgs=arguments)
    monkeypatch.setattr(config_module.importlib, "import_module", lambda _: module)
    return reduced_config(Architecture("new", "new", {"model_type": "new"}))


def test_an_architecture_nobody_described_is_reduced_by_its_field_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass
    class NewArgs:
        model_type: str
        hidden_size: int
        rms_norm_eps: float
        odd_switch: bool
        odd_choice: int | None
        num_experts: int = 512
        rope_scale: float = 3.0

    assert config_of(monkeypatch, NewArgs) == {
        "model_type": "new",
        "hidden_size": HIDDEN,
        "rms_norm_eps": 1e-5,
        "odd_switch": False,
        "odd_choice": None,
        "num_experts": 4,
        "eos_token_id": 0,
    }


def test_a_required_field_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownField, match="odd_width"):
        config_of(monkeypatch, make_dataclass("NewArgs", [("odd_width", int)]))


def test_a_model_that_stayed_large_is_refused_before_its_weights_exist(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(overrides.OVERRIDES, "llama", {"intermediate_size": 10**9})
    with pytest.raises(TooLarge, match="parameters"):
        build_reduced(find_architecture("llama"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    architecture = find_architecture("kimi_linear")
    contents = []
    for index, seed in enumerate((7, 7, 8)):
        path = build_reduced(architecture, tmp_path / str(index), seed=seed).path
        contents.append({file.name: file.read_bytes() for file in path.iterdir()})
    assert contents[0] == contents[1]
    assert contents[0]["model.safetensors"] != contents[2]["model.safetensors"]


def test_list_prints_one_line_per_architecture_with_its_limit() -> None:
    code, lines = run("--list")
    assert (code, len(lines)) == (0, len(list_architectures()))
    by_name = {line["arch"]: line for line in lines}
    assert by_name["kimi_k2"] == {"arch": "kimi_k2", "family": "deepseek_v3"}
    assert by_name["olmo"]["limit"]["kind"] == "cannot-build"


def test_arch_builds_a_model_and_tells_its_size(tmp_path: Path) -> None:
    code, (line,) = run("--arch", "kimi_k2", "--out", str(tmp_path / "model"), "--seed", "3")
    path = Path(line["path"])
    assert code == 0 and line["arch"] == "kimi_k2" and path == tmp_path / "model"
    assert {file.name for file in path.iterdir()} == {
        "config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    assert line["bytes"] == (path / "model.safetensors").stat().st_size > 4 * line["parameters"] > 0


@pytest.mark.parametrize(
    ("name", "kind", "words"), [("olmo", "SystemExit", "ai2-olmo"), ("nonsense", "LookupError", "--list")]
)
def test_what_cannot_be_built_is_told_in_one_line(name: str, kind: str, words: str, tmp_path: Path) -> None:
    code, (line,) = run("--arch", name, "--out", str(tmp_path / "model"))
    assert code == 1
    assert (line["arch"], line["error"]["type"]) == (name, kind)
    assert words in line["error"]["message"]
