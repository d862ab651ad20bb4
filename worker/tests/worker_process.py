"""A real worker process for tests: requests, waits for events, never sleeps."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, Queue
from typing import Any

WORKER_DIRECTORY = Path(__file__).parent.parent
# Far more than any step needs; a test that reaches it has failed.
PATIENCE_SECONDS = 30.0

Message = dict[str, Any]


class WorkerProcess:
    """Keeps every message in order of arrival in `received`.

    `next` leaves out `preparing`: another thread says it than the rest, at any time.
    """

    def __init__(self, **environment: str) -> None:
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", "MLX_DISABLE_COMPILE": "1", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lmx_worker", "--token", "test"],
            cwd=WORKER_DIRECTORY,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.received: list[Message] = []
        self.stderr = b""
        self._queue: Queue[Message | None] = Queue()
        self._ids = 0
        self._threads = [threading.Thread(target=target) for target in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.wait()

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, method: str, **params: Any) -> int:
        self._ids += 1
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        self.send_line(json.dumps(message).encode())
        return self._ids

    def call(self, method: str, **params: Any) -> Message:
        """Send a request and wait for its answer."""
        call_id = self.send(method, **params)
        return self.until(lambda message: message.get("id") == call_id)

    def result(self, method: str, **params: Any) -> Message:
        answer = self.call(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def error(self, method: str, **params: Any) -> Message:
        answer = self.call(method, **params)
        assert "error" in answer, answer
        return answer["error"]

    def load(self, directory: Path, *, rows: int = 8, context: int | None = None, **options: Any) -> Message:
        """Initialize and load."""
        self.result("initialize", protocol_version=1)
        limits = {"max_context_tokens": context, "max_concurrency": rows}
        return self.result("load", model_id="test", path=str(directory), **limits, **options)

    def next(self) -> Message:
        try:
            message = self._queue.get(timeout=PATIENCE_SECONDS)
        except Empty:
            raise AssertionError(f"nothing came; stderr: {self.stderr.decode()[-2000:]}") from None
        if message is None:
            raise AssertionError(f"the worker ended; stderr: {self.stderr.decode()[-2000:]}")
        return message

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """The next message that is wanted; others are dropped (they stay in `received`)."""
        while True:
            message = self.next()
            if wanted(message):
                return message

    def rows_until_end(self, request_id: str) -> list[Message]:
        """Rows of one request up to its finish or error."""
        rows: list[Message] = []
        while not rows or not any(event["type"] in ("finish", "error") for event in rows[-1]["events"]):
            step = self.until(lambda message: message.get("method") == "step")
            rows += [row for row in step["params"]["rows"] if row["request_id"] == request_id]
        return rows

    def end_of_output(self) -> None:
        """Wait until the worker has closed its output."""
        while self._queue.get(timeout=PATIENCE_SECONDS) is not None:
            pass

    def wait(self) -> int:
        code = self.process.wait(PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return code

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            self.received.append(message)
            if message.get("method") != "preparing":
                self._queue.put(message)
        self._queue.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line


def chat(text: str, **changes: Any) -> Message:
    """A chat request; `changes` replace or add members of it, those of `sampling` included."""
    prompt = {
        "kind": "messages",
        "messages": [{"role": "user", "content": text}],
        "tools": changes.pop("tools", []),
        "chat_template_kwargs": {},
    }
    return request(prompt, **changes)


def request(prompt: Mapping[str, Any], **changes: Any) -> Message:
    sampling = {"temperature": 0, "top_p": 1, "seed": 0}
    for name in tuple(changes):
        if name in sampling:
            sampling[name] = changes.pop(name)
    return {"prompt": dict(prompt), "sampling": sampling, "max_tokens": 8, **changes}


def text_of(rows: list[Message], kind: str = "text") -> str:
    return "".join(event["text"] for row in rows for event in row["events"] if event["type"] == kind)


def ids_of(rows: list[Message]) -> list[int]:
    return [token for row in rows for token in row["token_ids"]]


def finish_of(rows: list[Message]) -> Message:
    (finish,) = [event for row in rows for event in row["events"] if event["type"] == "finish"]
    assert rows[-1]["events"][-1] is finish
    return finish
