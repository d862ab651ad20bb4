"""The tick loop with a scripted engine: order of messages, failures, cancels, ends."""

import json
import threading
from queue import SimpleQueue
from typing import Any

import pytest

from lmx_worker.scheduling import input_processor
from lmx_worker.scheduling.dispatcher import Scheduler, StopSignal
from lmx_worker.status import Status
from lmx_worker.wire.protocol import Call, parse_call
from tests.fake_engine import UNREADABLE, FakeCodec, FakeEngine, texts
from tests.worker_process import chat


class Conversation:
    """A scheduler on this thread; the preparation thread is its own."""

    def __init__(self, engine: FakeEngine, *, rows: int = 4, budget: int | None = None) -> None:
        self.engine = engine
        self.sent: list[dict[str, Any]] = []
        self.status = Status()
        self.inbox: SimpleQueue = SimpleQueue()
        self.initialized: list[bool] = []
        self.scheduler = Scheduler(
            engine,
            self.sent.append,
            self.inbox,
            self.status,
            on_initialized=lambda: self.initialized.append(True),
        )
        self._ids = 0
        self.put("initialize", protocol_version=1)
        limits = {"max_concurrency": rows, "cache_budget_bytes": budget}
        self.put("load", model_id="m", path="/m", max_context_tokens=None, **limits)
        self.scheduler.tick()

    def put(self, method: str, **params: Any) -> int:
        self._ids += 1
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        call = parse_call(json.dumps(message).encode())
        assert isinstance(call, Call)
        self.inbox.put(call)
        return self._ids

    def ask(
        self, request_id: str, text: str, max_tokens: int | None = 4, owner: str | None = None, **options: Any
    ) -> int:
        request = chat(text, max_tokens=max_tokens, **options)
        return self.put("generate", request_id=request_id, owner=owner, request=request)

    def run_until_idle(self) -> None:
        """Tick until nothing is in flight; a tick with prompts in preparation waits for them."""
        self.scheduler.tick()
        while self.status.in_flight:
            self.scheduler.tick()

    def answer(self, call_id: int) -> dict[str, Any]:
        (answer,) = [message for message in self.sent if message.get("id") == call_id]
        return answer

    def rows(self, request_id: str) -> list[dict[str, Any]]:
        steps = [message["params"]["rows"] for message in self.sent if message.get("method") == "step"]
        return [row for rows in steps for row in rows if row["request_id"] == request_id]

    def last_event(self, request_id: str) -> dict[str, Any]:
        return self.rows(request_id)[-1]["events"][-1]


def test_the_answer_comes_before_the_first_step_and_the_end_token_is_counted_but_not_text() -> None:
    talk = Conversation(FakeEngine())
    call = talk.ask("a", "x")
    talk.run_until_idle()
    assert talk.answer(call)["result"] == {"prompt_tokens": 1, "max_tokens": 4, "seed": 0}
    methods = [message.get("method", message.get("id")) for message in talk.sent]
    assert methods == [1, "load_progress", 2, "preparing", call, "step", "step", "step", "step"]
    rows = talk.rows("a")
    assert [(row["position"], row["token_ids"]) for row in rows] == [
        (0, [120]),
        (1, [120]),
        (2, [120]),
        (3, [0]),
    ]
    assert texts(rows) == "xxx"
    finish = talk.last_event("a")
    assert (finish["reason"], finish["usage"]["completion_tokens"]) == ("stop", 4)
    assert talk.initialized == [True]


def test_a_stop_text_takes_the_row_out_of_the_engine() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("a", "x", 50, stop=["xxx"])
    talk.ask("b", "y", 8)
    talk.run_until_idle()
    rows = talk.rows("a")
    assert texts(rows) == "" and [row["token_ids"] for row in rows] == [[120]] * 3
    assert (talk.last_event("a")["type"], talk.last_event("a")["reason"]) == ("finish", "stop")
    assert texts(talk.rows("b")) == "yyyyyyy" and not talk.engine.rows


def test_a_stop_completed_by_the_last_token_needs_no_removal() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("a", "x", 4, stop=["xxx"])
    talk.run_until_idle()
    assert talk.last_event("a")["usage"]["completion_tokens"] == 3


def test_a_report_the_engine_cannot_give_fails_one_row_only() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("a", "x", 50, logprobs=1)
    talk.ask("b", "y", 8)
    talk.run_until_idle()
    assert talk.last_event("a")["code"] == "internal_error"
    assert talk.last_event("b")["type"] == "finish" and not talk.engine.rows


def test_a_prompt_too_long_to_be_echoed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_processor, "MAX_PROMPT_TEXT_BYTES", 9)
    talk = Conversation(FakeEngine())
    call = talk.ask("a", "äöü", return_prompt=True)
    other = talk.ask("b", "äöüß", return_prompt=True)
    talk.run_until_idle()
    assert talk.answer(call)["result"]["prompt_text"] == "äöü"
    assert talk.answer(other)["error"]["data"] == {"code": "invalid_request_error", "param": "echo"}


def test_every_row_of_a_failed_step_gets_an_error_and_the_next_request_works() -> None:
    engine = FakeEngine(faults=[None, None, ValueError("top_k")])
    talk = Conversation(engine)
    talk.ask("a", "x", 50)
    talk.ask("b", "y", 50)
    talk.run_until_idle()
    for name in ("a", "b"):
        event = talk.last_event(name)
        assert (event["type"], event["code"]) == ("error", "worker_crashed")
        assert "top_k" in event["message"]
        assert talk.rows(name)[-1]["token_ids"] == []
    assert engine.rebuilds == 1
    talk.ask("c", "z")
    talk.run_until_idle()
    assert talk.last_event("c")["type"] == "finish"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (00000008)"), "gpu_oom"),
        (RuntimeError("[METAL] Command buffer execution failed: x"), "gpu_error"),
        (RuntimeError("[metal::malloc] Resource limit (499000) exceeded."), "gpu_objects"),
        (RuntimeError("[malloc] Unable to allocate 1 bytes."), "host_oom"),
        (MemoryError(), "host_oom"),
    ],
)
def test_a_device_or_memory_error_ends_the_process_after_its_rows(error: Exception, cause: str) -> None:
    engine = FakeEngine(faults=[error])
    talk = Conversation(engine)
    talk.ask("a", "x")
    assert talk.scheduler.run() == 70
    assert talk.last_event("a")["type"] == "error"
    assert talk.sent[-1]["method"] == "fatal" and talk.sent[-1]["params"]["cause"] == cause
    assert engine.rebuilds == 0


def test_an_engine_that_does_not_come_back_ends_the_process() -> None:
    talk = Conversation(FakeEngine(faults=[ValueError("x")], rebuild_fault=ValueError("still broken")))
    talk.ask("a", "x")
    assert talk.scheduler.run() == 70
    assert talk.sent[-1]["params"] == {"cause": "engine_bug", "message": "still broken"}


def test_a_memory_error_while_loading_is_fatal_too() -> None:
    engine = FakeEngine(load_fault=RuntimeError("[malloc] Unable to allocate"))
    talk = Conversation.__new__(Conversation)
    with pytest.raises(Exception, match="malloc"):
        Conversation.__init__(talk, engine)
    assert not any("result" in message and message["id"] == 2 for message in talk.sent)


def test_a_cancel_before_the_prompt_is_prepared_answers_both() -> None:
    talk = Conversation(FakeEngine())
    call = talk.ask("a", "x")
    cancel = talk.put("cancel", request_id="a")
    talk.scheduler.tick()
    assert talk.answer(call)["error"]["data"]["code"] == "request_cancelled"
    assert talk.answer(cancel)["result"] == {"cancelled": True}
    talk.ask("b", "y")
    talk.run_until_idle()
    assert talk.rows("a") == [] and talk.last_event("b")["type"] == "finish"


def test_a_cancelled_prompt_is_not_tokenised_and_a_tokenised_one_is_progress() -> None:
    """Tokenising many long prompts is no reason to be taken for stuck, and those nobody wants go first."""
    gate = threading.Event()
    codec = FakeCodec(gate.wait)
    talk = Conversation(FakeEngine(codec=codec))
    talk.ask("a", "refuse")
    talk.ask("b", "refuse")
    talk.put("cancel", request_id="b")
    talk.scheduler.tick()
    before = talk.status.ping()
    assert before["in_flight"] == 1
    gate.set()
    talk.ask("c", "refuse")
    talk.run_until_idle()
    assert len(codec.encoded) == 2
    assert talk.status.ping()["steps"] == before["steps"] + 2 and talk.status.steps == 0


def prepared_names(talk: Conversation) -> list[str | None]:
    return [m["params"]["request_id"] for m in talk.sent if m.get("method") == "preparing"]


def test_it_says_which_request_it_prepares_and_when_it_is_through_with_a_cancelled_one() -> None:
    entered, gate = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        gate.wait()

    talk = Conversation(FakeEngine(codec=FakeCodec(hold)))
    talk.ask("a", "x")
    talk.scheduler.tick()
    assert entered.wait(10) and prepared_names(talk) == ["a"]
    talk.put("cancel", request_id="a")
    talk.scheduler.tick()
    gate.set()
    talk.ask("b", "y")
    talk.run_until_idle()
    assert prepared_names(talk) in (["a", None, "b"], ["a", "b", None])
    canary = talk.put("canary", prompt="x", max_tokens=2)
    talk.run_until_idle()
    assert "result" in talk.answer(canary) and len(prepared_names(talk)) == 3


def test_a_cancel_while_waiting_for_room_leaves_nothing_behind() -> None:
    talk = Conversation(FakeEngine(), rows=1)
    for name in ("a", "b", "c"):
        talk.ask(name, "x", 6)
    while len(talk.rows("a")) < 2:
        talk.scheduler.tick()
    talk.put("cancel", request_id="b")
    talk.run_until_idle()
    assert talk.rows("b") == []
    assert [talk.last_event(name)["type"] for name in ("a", "c")] == ["finish", "finish"]


def test_cancels_take_effect_before_the_next_step() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("a", "x", 90)
    while not talk.rows("a"):
        talk.scheduler.tick()
    talk.put("cancel", request_id="a")
    seen = len(talk.rows("a"))
    talk.scheduler.tick()
    assert len(talk.rows("a")) == seen and talk.engine.rows == {}


def test_a_prompt_that_fails_is_answered_and_the_preparation_goes_on() -> None:
    talk = Conversation(FakeEngine())
    refused, broken = talk.ask("a", "refuse"), talk.ask("b", "raise")
    talk.ask("c", "x")
    talk.run_until_idle()
    assert talk.answer(refused)["error"]["message"] == "refused"
    error = talk.answer(broken)["error"]
    assert (error["data"]["code"], error["data"]["error_type"]) == ("internal_error", "ZeroDivisionError")
    assert talk.last_event("c")["type"] == "finish"


def test_a_row_whose_text_cannot_be_read_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Conversation(FakeEngine())
    talk.ask("bad", "\u0001")
    talk.ask("good", "x")
    original = chr
    monkeypatch.setattr("tests.fake_engine.chr", _refuse(1, original), raising=False)
    talk.run_until_idle()
    assert talk.last_event("bad")["code"] == "internal_error"
    assert talk.last_event("good")["type"] == "finish"
    assert talk.engine.rows == {}


def test_a_prompt_that_cannot_be_echoed_fails_alone() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("good", "x", 8)
    request = {
        "prompt": {"kind": "token_ids", "token_ids": [UNREADABLE]},
        "return_prompt": True,
        "max_tokens": 2,
    }
    call = talk.put("generate", request_id="bad", request={**chat("x"), **request})
    talk.run_until_idle()
    assert talk.answer(call)["error"]["data"] == {"code": "internal_error", "error_type": "IndexError"}
    assert talk.last_event("good")["type"] == "finish" and talk.status.in_flight == 0


def test_a_canary_whose_text_cannot_be_read_fails_alone() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("good", "x", 8)
    call = talk.put("canary", prompt=chr(UNREADABLE), max_tokens=4)
    talk.run_until_idle()
    assert talk.answer(call)["error"]["data"]["code"] == "model_canary_failed"
    assert talk.last_event("good")["type"] == "finish" and talk.engine.rows == {}


def test_a_row_the_engine_refuses_fails_alone() -> None:
    talk = Conversation(FakeEngine(insert_faults=[ValueError("an empty prompt"), None]))
    talk.ask("bad", "x")
    talk.ask("good", "y")
    talk.run_until_idle()
    assert talk.last_event("bad")["code"] == "internal_error"
    assert "an empty prompt" in talk.last_event("bad")["message"]
    assert talk.last_event("good")["type"] == "finish"
    assert talk.engine.rebuilds == 0 and talk.status.in_flight == 0


def test_a_device_lost_while_a_row_is_inserted_ends_the_process() -> None:
    talk = Conversation(FakeEngine(insert_faults=[RuntimeError("[malloc] Unable to allocate")]))
    talk.ask("a", "x")
    assert talk.scheduler.run() == 70
    assert talk.sent[-1]["params"]["cause"] == "host_oom"


def _refuse(wrong: int, original: Any) -> Any:
    def convert(token: int) -> str:
        if token == wrong:
            raise ValueError("no such token")
        return original(token)

    return convert


def test_a_bug_in_a_command_is_an_internal_error() -> None:
    talk = Conversation(FakeEngine())
    talk.engine.memory = None  # type: ignore[assignment, method-assign]
    call = talk.put("stats")
    talk.scheduler.tick()
    assert talk.answer(call)["error"]["code"] == -32603


def test_an_engine_that_takes_one_row_at_a_time_gets_one() -> None:
    talk = Conversation(FakeEngine(most_rows=1), rows=4)
    assert talk.answer(2)["result"]["max_rows"] == 1
    assert "max_rows" not in Conversation(FakeEngine(), rows=4).answer(2)["result"]
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(talk.engine.rows))

    talk.engine.before_step = count
    talk.ask("a", "x", 6)
    talk.ask("b", "y", 6)
    talk.run_until_idle()
    assert [talk.last_event(name)["type"] for name in ("a", "b")] == ["finish", "finish"] and most == 1


def test_shutdown_drops_rows_without_a_word_and_closes_before_it_answers() -> None:
    talk = Conversation(FakeEngine())
    talk.ask("a", "x", 90)
    while not talk.rows("a"):
        talk.scheduler.tick()
    call = talk.put("shutdown")
    assert talk.scheduler.run() == 0
    assert talk.sent[-1] == {"jsonrpc": "2.0", "id": call, "result": {}}
    assert talk.engine.closed and talk.status.in_flight == 0


def test_sigterm_ends_in_order_too() -> None:
    talk = Conversation(FakeEngine())
    talk.inbox.put(StopSignal())
    assert talk.scheduler.run() == 0
    assert talk.engine.closed


def test_a_stop_during_a_load_ends_the_load() -> None:
    engine = FakeEngine()
    talk = Conversation.__new__(Conversation)
    original = Status
    status = original(stop_requested=True)
    talk.__dict__.update(engine=engine, sent=[], status=status, inbox=SimpleQueue(), _ids=0)
    talk.scheduler = Scheduler(engine, talk.sent.append, talk.inbox, status, on_initialized=lambda: None)
    talk.put("initialize", protocol_version=1)
    load = talk.put("load", model_id="m", path="/m", max_context_tokens=None, max_concurrency=1)
    talk.inbox.put(StopSignal())
    assert talk.scheduler.run() == 0
    assert talk.answer(load)["error"]["data"]["code"] == "request_cancelled"


def test_pings_show_steps_and_what_is_in_flight() -> None:
    talk = Conversation(FakeEngine())
    before = talk.status.ping()["steps"]
    talk.ask("a", "x", 3)
    talk.run_until_idle()
    assert talk.status.ping()["steps"] == before + 1 + 3  # the prompt, and a step for each token
    assert talk.status.generated_tokens == 3


def fresh(engine: FakeEngine) -> Conversation:
    """A conversation in which nothing is loaded."""
    talk = Conversation.__new__(Conversation)
    talk.__dict__.update(engine=engine, sent=[], status=Status(), inbox=SimpleQueue(), _ids=0)
    talk.scheduler = Scheduler(engine, talk.sent.append, talk.inbox, talk.status, on_initialized=lambda: None)
    return talk


INSPECT = {"model_id": "m", "path": "/m", "max_context_tokens": None}


def test_an_inspection_needs_no_load_and_answers_facts_and_seconds() -> None:
    talk = fresh(FakeEngine())
    early = talk.put("inspect", **INSPECT)
    talk.put("initialize", protocol_version=1)
    call = talk.put("inspect", **INSPECT)
    talk.scheduler.tick()
    assert talk.answer(early)["error"]["message"] == "initialize comes first."
    result = talk.answer(call)["result"]
    assert result.pop("seconds") >= 0
    assert result == {
        "model_type": "fake",
        "context_tokens": 100,
        "parameters": 7,
        "weights_bytes": 28,
        "caches": (),
        "prefill_bytes": 11,
        "has_chat_template": True,
    }


@pytest.mark.parametrize("fault", [None, ZeroDivisionError("in the config")])
def test_a_worker_that_inspected_is_thrown_away(fault: Exception | None) -> None:
    talk = fresh(FakeEngine(inspect_fault=fault))
    talk.put("initialize", protocol_version=1)
    talk.put("inspect", **INSPECT)
    calls = [talk.put("load", **INSPECT, max_concurrency=1), talk.put("inspect", **INSPECT)]
    talk.scheduler.tick()
    for call in calls:
        error = talk.answer(call)["error"]
        assert error["data"]["code"] == "invalid_request_error"
        assert "a worker that inspected is thrown away" in error["message"].lower()


def test_a_worker_that_serves_does_not_inspect() -> None:
    talk = Conversation(FakeEngine())
    call = talk.put("inspect", **INSPECT)
    talk.scheduler.tick()
    assert "A model is loaded already" in talk.answer(call)["error"]["message"]
