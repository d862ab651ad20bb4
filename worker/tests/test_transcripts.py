"""The golden conversations, replayed against a real worker."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.transcripts import CONVERSATIONS, DIRECTORY, model_of
from tests.worker_process import WorkerProcess

FILES = sorted(DIRECTORY.glob("*.jsonl"))


def test_every_conversation_is_recorded() -> None:
    assert [file.stem for file in FILES] == sorted(CONVERSATIONS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_worker_still_says_the_same(file: Path, models: Path) -> None:
    header, *lines = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    model = str(model_of(header, models))
    with WorkerProcess() as worker:
        more: str | None = None
        for line in lines:
            expected = line["message"]
            if line["dir"] == "to_worker":
                worker.send_line(json.dumps(expected).replace("$MODEL", model).encode())
                continue
            said = worker.next()
            while more is not None and said.get("method") == more:
                said = worker.next()
            if line.get("more"):
                more = expected["method"]
            elif "id" in said:
                more = None
            assert masked(said, header["volatile"]) == masked(expected, header["volatile"])
        assert worker.wait() == 0


def masked(message: dict[str, Any], volatile: list[str]) -> dict[str, Any]:
    """The message with volatile members replaced by the name of their JSON type."""
    copied = json.loads(json.dumps(message))
    for path in volatile:
        _mask(copied, path.split("."))
    return copied


def _mask(node: Any, path: list[str]) -> None:
    name, *rest = path
    if isinstance(node, list):
        for item in node:
            _mask(item, path)
    if not isinstance(node, dict) or name not in node:
        return
    if rest:
        _mask(node[name], rest)
    else:
        node[name] = "number" if isinstance(node[name], int | float) else type(node[name]).__name__
