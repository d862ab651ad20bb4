"""Loading real files with the real library: what is refused, with which code, and what is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from lmx_worker.engine.interface import LoadProgress
from lmx_worker.failure import RequestFailure, StopRequested
from lmx_worker.mlx_engine.load import read_model
from lmx_worker.mlx_engine.load_errors import load_failure
from lmx_worker.wire.commands import Load
from tests.tiny_models import build_model


@pytest.fixture
def model(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "model"))


def load(
    path: Path, context: int | None = None, report: Callable[[LoadProgress], None] = lambda _: None
) -> Any:
    return read_model(Load("m", str(path), context, 4), report)


def refused(path: Path) -> RequestFailure:
    with pytest.raises(RequestFailure) as info:
        load(path)
    assert "\n" not in info.value.message
    return info.value


def change_config(model: Path, **changes: Any) -> None:
    file = model / "config.json"
    config = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not ...}))


def test_facts_of_a_good_model(model: Path) -> None:
    facts = load(model).facts
    assert (facts.model_type, facts.context_tokens, facts.vocab_size) == ("llama", 2048, 320)
    assert (facts.eos_token_ids, facts.tool_parser, facts.has_thinking) == ((0,), "json_tools", True)


def test_facts_tell_what_prompts_the_model_takes(model: Path, tmp_path: Path) -> None:
    facts = load(model).facts
    assert (facts.has_chat_template, facts.can_fill) == (True, False)
    facts = load(build_model(tmp_path / "other", fill=True, template=False)).facts
    assert (facts.has_chat_template, facts.can_fill) == (False, True)


def test_a_tool_parser_can_be_chosen_and_an_unknown_one_is_refused(model: Path) -> None:
    chosen = read_model(Load("m", str(model), None, 4, "qwen3_coder"), lambda _: None)
    assert chosen.facts.tool_parser == "qwen3_coder"
    with pytest.raises(RequestFailure, match="json_tools, kimi_k2") as info:
        read_model(Load("m", str(model), None, 4, "nonsense"), lambda _: None)
    assert (info.value.word, info.value.data["param"]) == ("invalid_request_error", "tool_parser")


def test_the_context_is_the_smaller_of_the_models_and_the_wanted(model: Path) -> None:
    assert load(model, 100).facts.context_tokens == 100
    assert load(model, 10**6).facts.context_tokens == 2048
    change_config(model, max_position_embeddings=...)
    assert load(model).facts.context_tokens == 4096
    assert load(model, 100).facts.context_tokens == 100
    assert load(model, 100_000).facts.context_tokens == 100_000


def test_progress_ends_at_the_total(model: Path) -> None:
    seen: list[LoadProgress] = []
    load(model, report=seen.append)
    assert [item.phase for item in seen][:3] == ["config", "tokenizer", "weights"]
    assert seen[-1].loaded_bytes == seen[-1].total_bytes > 0


def test_a_stop_ends_a_load_in_the_middle(model: Path) -> None:
    def stop(progress: LoadProgress) -> None:
        if progress.phase == "weights":
            raise StopRequested

    with pytest.raises(StopRequested):
        load(model, report=stop)


def test_a_directory_that_is_not_there_is_never_looked_for_elsewhere(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing").word == "model_incomplete"
    assert refused(Path("mlx-community/some-model")).word == "model_incomplete"


def test_code_that_comes_with_the_model_is_never_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question="": questions.append(question) or "y")
    witness = tmp_path / "ran"
    (model / "evil.py").write_text(f"open({str(witness)!r}, 'w')")
    change_config(model, model_file="evil.py")
    assert refused(model).word == "model_unsupported_arch"
    change_config(model, model_file=...)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    failure = refused(model)
    assert failure.word == "model_unsupported_arch", failure.message
    assert not witness.exists() and not questions


def test_an_auto_map_beside_known_classes_is_no_reason_to_refuse(model: Path) -> None:
    change_config(model, auto_map={"AutoModel": "evil.Evil"})
    load(model)


@pytest.mark.parametrize("name", ["nothing_like_it", "base", "cache", "olmo"])
def test_an_unknown_architecture(model: Path, name: str) -> None:
    change_config(model, model_type=name)
    failure = refused(model)
    assert failure.word == "model_unsupported_arch"
    assert failure.data["error_type"] in ("ValueError", "AttributeError", "SystemExit")


@pytest.mark.parametrize(
    ("changes", "error_type"),
    [
        ({"model_type": ...}, "KeyError"),
        ({"hidden_size": ...}, "TypeError"),
        ({"num_hidden_layers": 3}, "ValueError"),
        ({"num_hidden_layers": 1}, "ValueError"),
        ({"hidden_size": 32}, "ValueError"),
        ({"num_attention_heads": 0}, "ZeroDivisionError"),
        ({"hidden_size": "64"}, "TypeError"),
        ({"quantization": {}}, "KeyError"),
    ],
)
def test_a_config_that_does_not_fit_the_weights(model: Path, changes: dict, error_type: str) -> None:
    change_config(model, **changes)
    failure = refused(model)
    assert (failure.word, failure.data["error_type"]) == ("model_incomplete", error_type), failure.message


def test_a_quantisation_this_backend_cannot_do(model: Path) -> None:
    change_config(
        model, quantization_config={"quant_method": "compressed-tensors", "format": "float-quantized"}
    )
    assert refused(model).word == "model_unsupported_backend"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", None),
        ("model.safetensors", None),
        ("model.safetensors", b""),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_missing_or_damaged_file(model: Path, file: str, content: bytes | None) -> None:
    if content is None:
        (model / file).unlink()
    else:
        (model / file).write_bytes(content)
    assert refused(model).word == "model_incomplete"


def test_a_truncated_shard(model: Path) -> None:
    shard = model / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    failure = refused(model)
    assert failure.word == "model_incomplete" and "exceeding the size of the file" in failure.data["detail"]


def test_no_tokenizer_at_all_is_not_invented(model: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    assert refused(model).message.startswith("No tokenizer files")


def test_a_stale_index_beside_complete_weights_is_harmless(model: Path) -> None:
    (model / "model.safetensors.index.json").write_text("not json")
    (model / "generation_config.json").write_text("{")
    load(model)


def test_ids_beyond_the_embedding_are_beyond_the_vocabulary(model: Path) -> None:
    """Trap b: such an id would read foreign memory, so `vocab_size` is what the weights hold."""
    weights = mx.load(str(model / "model.safetensors"))
    assert isinstance(weights, dict)
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:200]
    weights["lm_head.weight"] = weights["lm_head.weight"][:200]
    mx.save_safetensors(str(model / "model.safetensors"), weights)
    change_config(model, vocab_size=200)
    assert load(model).facts.vocab_size == 200


@pytest.mark.parametrize("error", [SystemExit(1), ModuleNotFoundError("No module named 'hf_olmo'")])
def test_an_architecture_that_needs_a_package_is_unsupported(error: BaseException) -> None:
    assert load_failure(error, "config").word == "model_unsupported_arch"


def test_an_architecture_that_needs_a_gpu_needs_another_backend() -> None:
    error = RuntimeError("[metal_kernel] No Metal back-end.")
    assert load_failure(error, "architecture").word == "model_unsupported_backend"
