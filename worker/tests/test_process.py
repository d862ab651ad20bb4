"""A real worker process on the real library: the conversation, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_models import build_model
from tests.worker_process import (
    PATIENCE_SECONDS,
    WORKER_DIRECTORY,
    WorkerProcess,
    chat,
    finish_of,
    ids_of,
    request,
    text_of,
)

ENDLESS = 1000


def start(worker: WorkerProcess, request_id: str, text: str = "go on", **changes: object) -> None:
    options = {"max_tokens": ENDLESS, **changes}
    worker.result("generate", request_id=request_id, request=chat(text, **options))


def next_step(worker: WorkerProcess) -> dict:
    return worker.until(lambda message: message.get("method") == "step")["params"]


def test_initialize_answers_versions_and_the_device() -> None:
    with WorkerProcess() as worker:
        result = worker.result("initialize", protocol_version=1)
        assert result["pid"] == worker.process.pid
        assert result["protocol_version"] == 1
        assert set(result["versions"]) == {"python", "mlx", "mlx_lm", "transformers"}
        assert result["device"] in ("cpu", "gpu")
        assert worker.error("initialize", protocol_version=1)["message"] == "initialize comes only once."
        assert (
            worker.error("generate", request_id="a", request=chat("x"))["data"]["code"] == "model_not_ready"
        )
        assert worker.error("canary", prompt=None, max_tokens=4)["data"]["code"] == "model_not_ready"
        assert worker.result("cancel", request_id="a") == {"cancelled": False}
        assert worker.result("stats")["in_flight"] == 0
        assert (
            worker.error("load", model_id="m", path="/nowhere", max_context_tokens=None, max_concurrency=1)[
                "data"
            ]["code"]
            == "model_incomplete"
        )
        assert worker.result("shutdown") == {}
        assert worker.wait() == 0
    assert worker.stderr == b""


def test_another_protocol_version_is_refused() -> None:
    with WorkerProcess() as worker:
        error = worker.error("initialize", protocol_version=2)
        assert "Expected protocol_version 1, got 2" in error["message"]
        assert worker.error("stats")["message"] == "initialize comes first."


def test_load_reports_progress_and_facts(worker: WorkerProcess) -> None:
    progress = [m["params"] for m in worker.received if m.get("method") == "load_progress"]
    assert [item["phase"] for item in progress] == ["config", "tokenizer", "weights", "weights", "warmup"]
    sizes = [(item["loaded_bytes"], item["total_bytes"]) for item in progress[2:]]
    total = sizes[0][1]
    assert total > 400_000 and sizes == [(0, total), (total, total), (total, total)]
    (loaded,) = [m["result"] for m in worker.received if "model_type" in m.get("result", {})]
    assert loaded["model_type"] == "llama"
    assert (loaded["context_tokens"], loaded["vocab_size"], loaded["eos_token_ids"]) == (2048, 320, [0])
    assert (loaded["tool_parser"], loaded["has_thinking"]) == ("json_tools", True)
    assert loaded["peak_memory_bytes"] >= loaded["memory_bytes"] > 400_000
    assert worker.error("load", model_id="m", path="/x", max_context_tokens=None, max_concurrency=1)[
        "message"
    ].startswith("A model is loaded already")


def test_a_generation_is_a_row_of_steps_with_positions_and_one_finish(worker: WorkerProcess) -> None:
    answer = worker.result("generate", request_id="a", request=chat("hello", max_tokens=12))
    assert answer["max_tokens"] == 12 and answer["prompt_tokens"] > 3 and answer["seed"] == 0
    rows = worker.rows_until_end("a")
    assert [row["position"] for row in rows] == list(range(12))
    assert all(len(row["token_ids"]) == 1 for row in rows)
    finish = finish_of(rows)
    assert finish["reason"] == "length"
    usage = {"prompt_tokens": answer["prompt_tokens"], "completion_tokens": 12, "cached_tokens": 0}
    assert finish["usage"] == {**usage, "reasoning_tokens": 0}
    assert len(text_of(rows)) >= 12


def test_one_line_carries_all_rows_of_a_step(worker: WorkerProcess) -> None:
    start(worker, "a")
    start(worker, "b")
    worker.until(lambda message: len(message.get("params", {}).get("rows", [])) == 2)
    assert worker.result("stats")["in_flight"] == 2
    worker.result("cancel", request_id="a")
    worker.result("cancel", request_id="b")


def test_generations_are_the_same_alone_and_beside_others(worker: WorkerProcess) -> None:
    asks = [chat(f"question {i}", max_tokens=20, temperature=i % 3, seed=i, top_p=0.95) for i in range(7)]
    alone = []
    for i, ask in enumerate(asks):
        worker.result("generate", request_id=f"alone-{i}", request=ask)
        alone.append(ids_of(worker.rows_until_end(f"alone-{i}")))
    for i, ask in enumerate(asks):
        worker.send("generate", request_id=f"beside-{i}", request=ask)
    ended: set[str] = set()
    beside: dict[str, list[int]] = {f"beside-{i}": [] for i in range(7)}
    while len(ended) < 7:
        for row in next_step(worker)["rows"]:
            beside[row["request_id"]] += row["token_ids"]
            ended |= {row["request_id"] for event in row["events"] if event["type"] == "finish"}
    assert list(beside.values()) == alone


def test_a_cancelled_row_is_gone_before_the_answer(worker: WorkerProcess) -> None:
    start(worker, "a")
    next_step(worker)
    call = worker.send("cancel", request_id="a")
    worker.until(lambda message: message.get("id") == call)
    start(worker, "b", max_tokens=5)
    worker.rows_until_end("b")
    after = worker.received[[m.get("id") for m in worker.received].index(call) + 1 :]
    rows = [row["request_id"] for m in after if m.get("method") == "step" for row in m["params"]["rows"]]
    assert rows == ["b"] * 5
    assert worker.result("cancel", request_id="a") == {"cancelled": False}


def test_more_requests_than_rows_wait_their_turn(worker: WorkerProcess) -> None:
    for i in range(20):
        worker.send("generate", request_id=f"many-{i}", request=chat("x", max_tokens=3 + i % 4))
    ends = 0
    while ends < 20:
        rows = next_step(worker)["rows"]
        assert len(rows) <= 8
        ends += sum(event["type"] == "finish" for row in rows for event in row["events"])
    stats = worker.result("stats")
    assert (stats["in_flight"], stats["waiting"]) == (0, 0)


def test_null_max_tokens_fills_the_context_and_no_more(worker: WorkerProcess) -> None:
    prompt = {"kind": "token_ids", "token_ids": [7] * 2000}
    ask = request(prompt, max_tokens=None)
    assert worker.result("generate", request_id="a", request=ask)["max_tokens"] == 48
    finish = finish_of(worker.rows_until_end("a"))
    assert finish["usage"]["completion_tokens"] == 48 and finish["reason"] == "length"
    clamped = worker.result("generate", request_id="b", request=request(prompt, max_tokens=10**9))
    assert clamped["max_tokens"] == 48
    worker.rows_until_end("b")


@pytest.mark.parametrize(
    ("prompt", "code", "says"),
    [
        (
            {"kind": "token_ids", "token_ids": [7] * 2048},
            "context_length_exceeded",
            "This model's maximum context length is 2048 tokens, and the prompt has 2048",
        ),
        ({"kind": "token_ids", "token_ids": []}, "invalid_request_error", "empty"),
        ({"kind": "token_ids", "token_ids": [320]}, "invalid_request_error", "320"),
        ({"kind": "token_ids", "token_ids": [1, -1]}, "invalid_request_error", "-1"),
        ({"kind": "token_ids", "token_ids": [2**63]}, "invalid_request_error", "vocabulary"),
        ({"kind": "text", "text": ""}, "invalid_request_error", "empty"),
        ({"kind": "text", "text": 5}, "invalid_request_error", "a string"),
        ({"kind": "text", "text": "x" * 1_000_000}, "context_length_exceeded", "the prompt has at least"),
        ({"kind": "image"}, "invalid_request_error", "token_ids"),
        ({"kind": "messages", "messages": []}, "invalid_request_error", "at least 1"),
    ],
)
def test_a_prompt_the_model_cannot_take_is_refused(
    worker: WorkerProcess, prompt: dict, code: str, says: str
) -> None:
    error = worker.error("generate", request_id="a", request=request(prompt))
    assert error["data"]["code"] == code and says in error["message"]


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": -0.1, "top_p": 1, "seed": 0},
        {"temperature": 2.1, "top_p": 1, "seed": 0},
        {"temperature": True, "top_p": 1, "seed": 0},
        {"temperature": 0, "top_p": 0, "seed": 0},
        {"temperature": 0, "top_p": 1.01, "seed": 0},
        {"temperature": 0, "top_p": "1", "seed": 0},
        {"temperature": 0, "top_p": 1, "seed": -1},
        {"temperature": 0, "top_p": 1, "seed": 2**53},
        {"temperature": 0, "top_p": 1, "seed": 1.5},
        {"temperature": 0, "top_p": 1},
        {"temperature": 0, "top_p": 1, "seed": 0, "top_n_sigma": 1},
    ],
)
def test_a_bad_sampling_option_is_refused_before_the_engine_sees_it(
    worker: WorkerProcess, sampling: dict
) -> None:
    error = worker.error("generate", request_id="a", request={**chat("x"), "sampling": sampling})
    assert error["code"] == -32602
    assert error["data"]["param"].startswith("params.request.sampling")


def test_nonsense_on_the_pipe_is_answered_and_nobody_dies(worker: WorkerProcess) -> None:
    nonsense = [
        b"garbage", b"{", b"[]", b"null", b"5", b'"text"', b"\xff\xfe", b"\x00", b"NaN",
        b"[" * 100_000, b"9" * 10_000,
        b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        b'{"jsonrpc":"2.0","method":"shutdown"}',
    ]  # fmt: skip
    for line in nonsense:
        worker.send_line(line)
        assert worker.until(lambda message: "error" in message)["id"] is None
    for method, params in (("nothing", {}), (5, {}), ("load", []), ("generate", None), ("ping", {"x": 1})):
        worker.send_line(
            json.dumps({"jsonrpc": "2.0", "id": "q", "method": method, "params": params}).encode()
        )
        answer = worker.until(lambda message: message.get("id") == "q")
        assert answer["error"]["code"] in (-32601, -32602)
    worker.send_line(b"")
    worker.send_line(b"  \r")
    worker.send_line(b'{"jsonrpc":"2.0","id":"crlf","method":"ping"}\r')
    assert worker.until(lambda message: message.get("id") == "crlf")["result"]["pid"] == worker.process.pid


def test_a_request_id_in_use_is_refused(worker: WorkerProcess) -> None:
    start(worker, "a")
    assert "already running" in worker.error("generate", request_id="a", request=chat("x"))["message"]
    assert worker.result("cancel", request_id="a") == {"cancelled": True}


def test_a_lone_surrogate_is_refused_as_text(worker: WorkerProcess) -> None:
    error = worker.error("generate", request_id="a", request=chat("\ud800"))
    assert "surrogate" in error["message"]


def test_an_overlong_line_is_thrown_away_and_the_next_one_is_read(worker: WorkerProcess) -> None:
    worker.send_line(b"x" * (33 * 1024 * 1024))
    assert worker.until(lambda message: "error" in message)["error"]["data"]["code"] == "request_too_large"
    assert worker.result("ping")["pid"] == worker.process.pid


def test_the_canary_gives_evidence_beside_running_rows(worker: WorkerProcess) -> None:
    start(worker, "a")
    result = worker.result("canary", prompt=None, max_tokens=16)
    assert len(result["token_ids"]) == 16
    assert result["text"] and result["decodes"] and not result["finished"]
    assert (result["non_finite_steps"], result["constant_steps"]) == (0, 0)
    worker.result("cancel", request_id="a")
    assert worker.result("canary", prompt=None, max_tokens=16)["token_ids"] == result["token_ids"]


def test_a_template_error_is_the_answer_to_that_request(worker: WorkerProcess) -> None:
    ask = chat("x")
    ask["prompt"]["chat_template_kwargs"] = {"chat_template": "{{ 1 }}"}
    assert "is set by the server" in worker.error("generate", request_id="a", request=ask)["message"]
    ask["prompt"]["chat_template_kwargs"] = {"message": 1}
    worker.result("generate", request_id="a", request=ask)
    worker.rows_until_end("a")


@pytest.fixture(scope="module")
def long_worker(models: Path) -> Iterator[WorkerProcess]:
    """A model whose context holds minutes of prefill."""
    directory = build_model(models / "long", endless=True)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 1_000_000}))
    with WorkerProcess() as process:
        process.load(directory)
        yield process


LONG_PROMPT = {"kind": "token_ids", "token_ids": [7] * 200_000}


def test_pings_and_cancels_get_through_a_long_prefill(long_worker: WorkerProcess) -> None:
    long_worker.result("generate", request_id="long", request=request(LONG_PROMPT))
    steps = [long_worker.result("ping") for _ in range(2)]
    assert steps[0]["in_flight"] == 1
    assert long_worker.result("cancel", request_id="long") == {"cancelled": True}
    assert long_worker.result("ping")["in_flight"] == 0
    assert not any(message.get("method") == "step" for message in long_worker.received)


def test_a_stream_goes_on_beside_a_long_prefill(long_worker: WorkerProcess) -> None:
    start(long_worker, "stream", max_tokens=2000)
    next_step(long_worker)
    long_worker.result("generate", request_id="long", request=request(LONG_PROMPT))
    for _ in range(10):
        assert [row["request_id"] for row in next_step(long_worker)["rows"]] == ["stream"]
    start(long_worker, "short", max_tokens=3)
    assert finish_of(long_worker.rows_until_end("short"))["usage"]["completion_tokens"] == 3
    for name in ("long", "stream"):
        assert long_worker.result("cancel", request_id=name) == {"cancelled": True}


def test_a_kill_during_prefill_is_prompt_and_a_stack_dump_is_possible(long_worker: WorkerProcess) -> None:
    long_worker.result("generate", request_id="long", request=request(LONG_PROMPT))
    os.kill(long_worker.process.pid, signal.SIGUSR1)
    os.kill(long_worker.process.pid, signal.SIGTERM)
    long_worker.end_of_output()
    assert long_worker.wait() == 0
    assert b"Current thread" in long_worker.stderr and b"worker.py" in long_worker.stderr


def test_the_end_of_input_ends_the_worker_even_in_the_middle_of_a_stream(endless: Path) -> None:
    with WorkerProcess() as worker:
        worker.load(endless)
        start(worker, "a")
        next_step(worker)
        worker.close_stdin()
        assert worker.wait() == 0


def test_the_end_of_input_before_the_imports_are_done_ends_the_worker() -> None:
    with WorkerProcess() as worker:
        worker.close_stdin()
        assert worker.wait() == 0


def test_shutdown_is_answered_even_when_the_input_ends_behind_it(endless: Path) -> None:
    with WorkerProcess() as worker:
        worker.load(endless)
        start(worker, "a")
        call = worker.send("shutdown")
        worker.close_stdin()
        assert worker.until(lambda message: message.get("id") == call)["result"] == {}
        assert worker.wait() == 0


def test_a_reader_that_goes_away_ends_the_worker(endless: Path) -> None:
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "lmx_worker"], cwd=WORKER_DIRECTORY, stdin=subprocess.PIPE, stdout=write_end
    )
    os.close(write_end)
    os.close(read_end)
    assert process.stdin is not None
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stdin.close()


def test_terminal_signals_are_ignored_and_term_ends_in_order(endless: Path) -> None:
    with WorkerProcess() as worker:
        worker.result("initialize", protocol_version=1)
        for name in (signal.SIGINT, signal.SIGHUP, signal.SIGINT):
            os.kill(worker.process.pid, name)
        assert worker.result("ping")["pid"] == worker.process.pid
        os.kill(worker.process.pid, signal.SIGTERM)
        assert worker.wait() == 0


def test_the_deadman_ends_a_worker_nobody_pings() -> None:
    with WorkerProcess(OPTA_LMX_DEADMAN_SECONDS="0.5") as worker:
        worker.result("initialize", protocol_version=1)
        assert worker.wait() == 1
        assert b"Timeout" in worker.stderr


PARENT = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-m", "lmx_worker"], stdin=subprocess.PIPE, stdout=sys.stdout)
worker.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\\n')
worker.stdin.flush()
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PDEATHSIG is Linux")
def test_a_killed_parent_takes_even_a_stopped_worker_with_it() -> None:
    """Our end of the worker's output ends only when the worker is gone too."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=WORKER_DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None and parent.stdin is not None
    pid = json.loads(parent.stdout.readline())["result"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    parent.kill()
    assert parent.stdout.read() == b""
    parent.wait(PATIENCE_SECONDS)
    parent.stdin.close()
    parent.stdout.close()


NOISY = """
import os, runpy, sys
sys.argv = ["lmx_worker"]
import lmx_worker.mlx_engine.adapter as adapter
original = adapter.import_runtime
def noisy():
    print("from a library")
    os.write(1, b"from C\\n")
    assert os.path.samestat(os.fstat(0), os.stat(os.devnull)) and sys.stdin.read() == ""
    original()
adapter.import_runtime = noisy
runpy.run_module("lmx_worker", run_name="__main__")
"""


def test_what_libraries_print_goes_to_stderr_and_what_they_ask_gets_no_answer() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", NOISY],
        cwd=WORKER_DIRECTORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    lines = (
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol_version":1}}\n'
        b'{"jsonrpc":"2.0","id":2,"method":"shutdown"}\n'
    )
    out, errors = process.communicate(lines, timeout=PATIENCE_SECONDS)
    assert [json.loads(line)["id"] for line in out.splitlines()] == [1, 2]
    assert b"from a library" in errors and b"from C" in errors
