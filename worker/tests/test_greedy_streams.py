"""A hundred endless streams of one owner on a real worker, and what another owner notices of them."""

from pathlib import Path

from tests.worker_process import Message, WorkerProcess, chat, ids_of

GREEDY_STREAMS = 100
ROWS = 4
MOST_STEPS = 50


def names_in(message: Message) -> list[str]:
    rows = message["params"]["rows"] if message.get("method") == "step" else []
    return [row["request_id"] for row in rows]


def steps_until_first_token(worker: WorkerProcess, name: str) -> int:
    """Steps that other rows get from the acceptance of this request to its first token."""
    call = worker.send("generate", request_id=name, owner="other", request=chat("hello", max_tokens=3))
    worker.until(lambda message: message.get("id") == call)
    for passed in range(MOST_STEPS):
        if name in names_in(worker.until(lambda message: message.get("method") == "step")):
            return passed
    raise AssertionError(f"no token within {MOST_STEPS} steps")


def test_another_owner_waits_for_about_one_step(endless: Path) -> None:
    with WorkerProcess() as worker:
        worker.load(endless, rows=ROWS)
        for number in range(GREEDY_STREAMS):
            ask = chat("hello", max_tokens=None)
            worker.send("generate", request_id=f"greedy{number}", owner="greedy", request=ask)
        worker.until(lambda message: len(names_in(message)) == ROWS)
        # The step that reads the prompt gives its first token; it is accepted while another is computed.
        assert max(steps_until_first_token(worker, f"other{turn}") for turn in range(5)) <= 1


def rows_of(worker: WorkerProcess, name: str) -> list[Message]:
    steps = [message["params"] for message in worker.received if message.get("method") == "step"]
    return [row for step in steps for row in step["rows"] if row["request_id"] == name]


def test_an_interrupted_stream_goes_on_as_if_nothing_had_been(endless: Path) -> None:
    with WorkerProcess() as worker:
        worker.load(endless, rows=2)
        ask = chat("hello", max_tokens=600, temperature=1, seed=7)
        worker.send("generate", request_id="alone", owner="greedy", request=ask)
        alone = worker.rows_until_end("alone")
        for name in ("first", "second"):
            worker.send("generate", request_id=name, owner="greedy", request=ask)
        worker.until(lambda message: "second" in names_in(message))
        worker.send("generate", request_id="other", owner="other", request=chat("hello", max_tokens=10))
        beside = worker.until(lambda message: "other" in names_in(message))
        assert len(names_in(beside)) == 2
        for name in ("first", "second"):
            if not any(event["type"] == "finish" for row in rows_of(worker, name) for event in row["events"]):
                worker.rows_until_end(name)
            assert ids_of(rows_of(worker, name)) == ids_of(alone)
            assert [row["position"] for row in rows_of(worker, name)] == list(range(600))
