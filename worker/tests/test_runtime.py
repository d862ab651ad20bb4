"""The check of the library's interface, and what importing it may not do to the process."""

import subprocess
import sys

import pytest
from mlx_lm.generate import BatchGenerator

from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.runtime import check_signatures
from tests.worker_process import WORKER_DIRECTORY, WorkerProcess


def test_the_installed_library_is_the_expected_one() -> None:
    check_signatures()


def test_a_renamed_parameter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def insert(self, prompts, max_tokens, samplers, stop_matchers): ...

    monkeypatch.setattr(BatchGenerator, "insert", insert)
    with pytest.raises(
        RequestFailure, match=r"BatchGenerator\.insert has no parameter 'stop_sequences'"
    ) as info:
        check_signatures()
    assert info.value.word == "worker_runtime_broken"


def test_a_removed_function_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("mlx_lm.utils.load_tokenizer")
    with pytest.raises(RequestFailure, match="load_tokenizer does not exist"):
        check_signatures()


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1024))
from lmx_worker.mlx_engine.runtime import import_runtime
import_runtime()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_importing_leaves_the_limits_of_the_process_alone() -> None:
    out = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=WORKER_DIRECTORY, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "(512, 1024)"


def test_a_broken_runtime_is_the_answer_to_initialize(tmp_path) -> None:
    (tmp_path / "mlx_lm.py").write_text("raise SystemExit('no such thing')")
    with WorkerProcess(PYTHONPATH=str(tmp_path)) as worker:
        error = worker.error("initialize", protocol_version=1)
        assert error["data"]["code"] == "worker_runtime_broken"
        assert error["data"]["error_type"] in ("SystemExit", "ModuleNotFoundError")
