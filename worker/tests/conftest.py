import os

# Before anything imports mlx: its CPU compiler shares a cache directory between processes.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_models import build_model
from tests.worker_process import WorkerProcess


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def llama(models: Path) -> Path:
    return build_model(models / "llama", seed=1)


@pytest.fixture(scope="session")
def endless(models: Path) -> Path:
    return build_model(models / "endless", seed=2, endless=True)


@pytest.fixture(scope="module")
def worker(endless: Path) -> Iterator[WorkerProcess]:
    """A real worker with the endless model loaded, shared by the tests of a file."""
    with WorkerProcess() as process:
        process.load(endless)
        yield process
