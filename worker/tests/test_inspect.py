"""Inspecting real files: what is refused, what is told, and that nothing is read or run that must not be."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lmx_worker.confinement import EXTRA_ADDRESS_SPACE_BYTES, EXTRA_CPU_SECONDS
from lmx_worker.engine.interface import Inspection
from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine import inspect as inspect_module
from lmx_worker.mlx_engine.inspect import inspect_model
from lmx_worker.mlx_engine.load import read_model
from lmx_worker.wire.commands import Inspect, Load
from tests.raw_safetensors import read_shard, write_shard
from tests.tiny_models import build_model
from tests.worker_process import WorkerProcess

DTYPE_BYTES = {"F32": 4, "BF16": 2}


@pytest.fixture
def model(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "model"))


def inspect(path: Path, context: int | None = None, **options: Any) -> Inspection:
    return inspect_model(Inspect("m", str(path), context, **options))


def refused(path: Path, **options: Any) -> RequestFailure:
    with pytest.raises(RequestFailure) as info:
        inspect(path, **options)
    assert "\n" not in info.value.message
    return info.value


def change(file: Path, **changes: Any) -> None:
    value = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: item for name, item in value.items() if item is not ...}))


def with_template(model: Path, template: str) -> Path:
    change(model / "tokenizer_config.json", chat_template=template)
    return model


def test_an_inspection_tells_what_a_load_would(model: Path) -> None:
    told = inspect(model)
    loaded = read_model(Load("m", str(model), None, 4), lambda _: None)
    assert told.weights_bytes == loaded.weight_bytes == 4 * told.parameters
    for name in ("model_type", "context_tokens", "caches", "has_chat_template"):
        assert getattr(told, name) == getattr(loaded.facts, name)
    assert told.prefill_bytes > 0
    assert inspect(model, 100).context_tokens == 100


def test_a_model_without_a_template_is_sound(tmp_path: Path) -> None:
    assert inspect(build_model(tmp_path / "m", template=False)).has_chat_template is False


def test_an_unknown_tool_parser_is_refused_as_by_a_load(model: Path) -> None:
    assert refused(model, tool_parser="nonsense").data["param"] == "tool_parser"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages | no_such_filter }}", "no_such_filter"),
        ("{% for message in messages %}{{ message.content }}", "endfor"),
        ("{{ messages[0].content.no_such_method() }}", "no_such_method"),
        ("{{ raise_exception('never any conversation') }}", "never any conversation"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_named(model: Path, template: str, said: str) -> None:
    failure = refused(with_template(model, template))
    assert failure.word == "model_incomplete"
    assert failure.message.startswith("The chat template cannot be rendered: ") and said in failure.message


def test_a_template_may_refuse_system_messages(model: Path) -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}hello"
    assert inspect(with_template(model, refusing)).has_chat_template
    needing = "{% if messages[0].role != 'system' %}{{ raise_exception('no system') }}{% endif %}hello"
    assert inspect(with_template(model, needing)).has_chat_template


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_running_out_of_memory_is_said_so(
    model: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(inspect_module, "count_parameters", fail)
    assert refused(model).word == "insufficient_memory"


def test_an_error_of_the_device_is_not_the_models_fault(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("[METAL] Command buffer execution failed: x")

    monkeypatch.setattr(inspect_module, "count_parameters", fail)
    with pytest.raises(RuntimeError, match="METAL"):
        inspect(model)


# In a process of its own, as the supervisor asks.


def ask(path: Path, **options: Any) -> dict[str, Any]:
    return {"model_id": "m", "path": str(path), "max_context_tokens": None, **options}


def bytes_read(pid: int) -> int:
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["rchar"])


def limit_of(pid: int, name: str) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if name in line]
    return int(line.removeprefix(name).split()[0])


def enlarge(model: Path, **sizes: int) -> int:
    """Give the model's tensors large shapes over a file without content; returns their bytes."""
    change(model / "config.json", **sizes)
    old: dict[int, int] = {
        64: sizes["hidden_size"],
        128: sizes["intermediate_size"],
        32: sizes["hidden_size"] // 2,
    }

    def new_size(size: int) -> int:
        return old.get(size, size)

    header, _ = read_shard(model / "model.safetensors")
    offset = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = [new_size(size) for size in entry["shape"]]
        entry["shape"] = shape
        size = DTYPE_BYTES[entry["dtype"]] * math.prod(shape)
        entry["data_offsets"] = [offset, offset + size]
        offset += size
    write_shard(model / "model.safetensors", header, b"")
    with (model / "model.safetensors").open("r+b") as file:
        file.truncate((model / "model.safetensors").stat().st_size + offset)
    return offset


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs /proc")
def test_not_a_byte_of_the_weights_is_read_and_the_limits_hold(model: Path) -> None:
    total = enlarge(model, hidden_size=16384, intermediate_size=65536, head_dim=4096)
    assert total > 30 * 1024**3
    with WorkerProcess() as worker:
        pid = worker.process.pid
        worker.result("initialize", protocol_version=1)
        address_space = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        before = bytes_read(pid)
        result = worker.result("inspect", **ask(model))
        assert bytes_read(pid) - before < 20 * 1024**2
        assert (result["weights_bytes"], result["model_type"]) == (total, "llama")
        assert limit_of(pid, "Max address space") <= address_space + EXTRA_ADDRESS_SPACE_BYTES + 2**30
        assert limit_of(pid, "Max cpu time") <= EXTRA_CPU_SECONDS + 60
        error = worker.error("load", **ask(model), max_concurrency=1)
        assert error["data"]["code"] == "invalid_request_error"
        assert worker.result("shutdown") == {}


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="limits of memory are only enforced on Linux")
def test_a_template_that_eats_memory_is_stopped(model: Path) -> None:
    with_template(model, "{% set ns = namespace(x='a') %}{{ ns.x * 9000000000 }}")
    with WorkerProcess() as worker:
        worker.result("initialize", protocol_version=1)
        assert worker.error("inspect", **ask(model))["data"]["code"] == "insufficient_memory"


def own_code(model: Path, witness: Path) -> Path:
    """Model and tokenizer in code of their own that leaves a trace when it runs."""
    trace = f"open({str(witness)!r}, 'a').write(__name__ + '\\n')\n"
    (model / "own_model.py").write_text(f"from mlx_lm.models.llama import Model, ModelArgs\n{trace}")
    (model / "own_tokenizer.py").write_text(
        f"from transformers import PreTrainedTokenizerFast\n{trace}"
        "class OwnTokenizer(PreTrainedTokenizerFast):\n    pass\n"
    )
    change(model / "config.json", model_file="own_model.py")
    auto_map = {"AutoTokenizer": [None, "own_tokenizer.OwnTokenizer"]}
    change(model / "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=auto_map)
    return model


@pytest.mark.parametrize("method", ["inspect", "load"])
def test_a_models_own_code_runs_only_when_it_is_trusted(model: Path, tmp_path: Path, method: str) -> None:
    witness = tmp_path / "ran"
    params = ask(own_code(model, witness), **({"max_concurrency": 1} if method == "load" else {}))
    for trust in ({}, {"trust_code": False}, {"trust_code": True}):
        with WorkerProcess(HF_MODULES_CACHE=str(tmp_path / "modules")) as worker:
            worker.result("initialize", protocol_version=1)
            if trust.get("trust_code"):
                assert worker.result(method, **params, **trust)["model_type"] == "llama"
            else:
                error = worker.error(method, **params, **trust)
                assert error["data"]["code"] == "model_unsupported_arch"
                assert "trust_code" in error["message"]
                assert not witness.exists()
    assert "custom_model" in witness.read_text() and "own_tokenizer" in witness.read_text()


def test_a_tokenizers_own_code_does_not_run_either(model: Path, tmp_path: Path) -> None:
    own_code(model, tmp_path / "ran")
    change(model / "config.json", model_file=...)
    assert refused(model).word == "model_unsupported_arch"
    assert not (tmp_path / "ran").exists()
