"""Options of a generation through a real worker process."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import MARKERS, build_model
from tests.worker_process import WorkerProcess, chat, finish_of, ids_of, request, text_of

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def lively(models: Path) -> Iterator[WorkerProcess]:
    """A model that also writes control tokens, line breaks and broken characters."""
    with WorkerProcess() as process:
        process.load(build_model(models / "lively", seed=5), rows=32, context=512)
        yield process


def run(worker: WorkerProcess, name: str, ask: dict[str, Any]) -> list[dict[str, Any]]:
    worker.result("generate", request_id=name, request=ask)
    return worker.rows_until_end(name)


def entries_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for row in rows for event in row["events"] for entry in event.get("logprobs", [])]


def test_load_tells_what_the_model_can_do(worker: WorkerProcess) -> None:
    (loaded,) = [m["result"] for m in worker.received if "model_type" in m.get("result", {})]
    assert (loaded["has_chat_template"], loaded["can_fill"]) == (True, False)


def test_options_change_the_answer_and_repeat_with_their_seed(worker: WorkerProcess) -> None:
    plain = chat("go on", max_tokens=12)
    changes: list[dict[str, Any]] = [
        {"logit_bias": {"80": 100}},
        {"temperature": 1, "top_k": 1},
        {"temperature": 2, "top_k": 10**15, "seed": 4},
        {"temperature": 2, "min_p": 1.0},
        {"temperature": 1, "xtc_probability": 1, "xtc_threshold": 0.01},
        {"repetition_penalty": 10, "repetition_context_size": 100_000},
        {"presence_penalty": 2},
        {"frequency_penalty": 2},
    ]
    answers = []
    for index, change in enumerate([{}, *changes]):
        ask = {**plain, "sampling": {**plain["sampling"], **change}}
        first = ids_of(run(worker, f"a{index}", ask))
        assert ids_of(run(worker, f"b{index}", ask)) == first
        answers.append(tuple(first))
    assert answers[1] == (80,) * 12
    assert answers[2] == answers[4] == answers[0], "only the best token is left"
    assert len(set(answers)) >= 5


HOSTILE: list[tuple[str, Any]] = [
    ("top_k", -1), ("top_k", 1.5), ("top_k", True), ("top_k", "5"), ("min_p", -0.1), ("min_p", 1.1),
    ("min_p", [0]), ("xtc_probability", 2), ("xtc_threshold", 0.51), ("xtc_threshold", -1e308),
    ("repetition_penalty", 0), ("repetition_penalty", -1), ("repetition_penalty", 1e308),
    ("repetition_context_size", 0), ("repetition_context_size", 100_001), ("repetition_context_size", 2.0),
    ("presence_penalty", 2.01), ("frequency_penalty", -2.01), ("logit_bias", [1]), ("logit_bias", {"-1": 1}),
    ("logit_bias", {"1": 101}), ("logit_bias", {"a": 1}), ("logit_bias", {"1": None}),
    ("logit_bias", {"": 1}),
    ("logit_bias", {"1": 1, "01": 2}), ("logit_bias", {"9" * 50: 1}), ("logit_bias", {"١": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_a_hostile_option_is_refused_by_name(worker: WorkerProcess, name: str, value: Any) -> None:
    ask = chat("x")
    ask["sampling"][name] = value
    error = worker.error("generate", request_id="a", request=ask)
    assert error["data"]["code"] == "invalid_request_error"
    assert error["data"]["param"].startswith(f"params.request.sampling.{name}")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_no_request(worker: WorkerProcess, literal: str) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": "n", "method": "generate", "params": {}})
    worker.send_line(line.replace("{}", f'{{"min_p": {literal}}}').encode())
    assert worker.until(lambda message: "error" in message)["error"]["code"] == -32700


def test_a_number_beyond_the_floats_is_refused(worker: WorkerProcess) -> None:
    ask = json.dumps(chat("x")).replace('"top_p": 1', '"top_p": 1, "min_p": 1e999')
    worker.send_line(
        b'{"jsonrpc":"2.0","id":"n","method":"generate","params":{"request_id":"a","request":'
        + ask.encode()
        + b"}}"
    )
    assert worker.until(lambda message: message.get("id") == "n")["error"]["data"]["param"].endswith("min_p")


@pytest.mark.parametrize("token", ["320", "999999999"])
def test_a_bias_for_an_unknown_token_is_refused(worker: WorkerProcess, token: str) -> None:
    ask = chat("x")
    ask["sampling"]["logit_bias"] = {"5": 1, token: 1}
    error = worker.error("generate", request_id="a", request=ask)
    assert error["data"] == {"code": "invalid_request_error", "param": "logit_bias"}
    assert token in error["message"]


def test_a_stop_ends_the_row_at_once_and_the_others_go_on(worker: WorkerProcess) -> None:
    whole = text_of(run(worker, "whole", chat("go on", max_tokens=30)))
    stop = whole[17:21]
    worker.result("generate", request_id="other", request=chat("go on", max_tokens=500))
    rows = run(worker, "stopped", chat("go on", max_tokens=500, stop=["never there", stop]))
    assert text_of(rows) == whole[: whole.index(stop)]
    finish = finish_of(rows)
    assert finish["reason"] == "stop" and finish["usage"]["completion_tokens"] == len(ids_of(rows)) < 30
    assert worker.result("stats")["in_flight"] == 1
    assert worker.result("cancel", request_id="stopped") == {"cancelled": False}
    assert worker.result("cancel", request_id="other") == {"cancelled": True}


@pytest.mark.parametrize(
    "stop", ["x", [""], [5], ["x" * 1001], ["x"] * 17, [["x"]], ["\ud800"], {"0": "x"}, True]
)
def test_a_bad_stop_is_refused(worker: WorkerProcess, stop: Any) -> None:
    error = worker.error("generate", request_id="a", request=chat("x", stop=stop))
    assert error["data"]["param"].startswith("params.request.stop")


def test_logprobs_come_with_the_text(worker: WorkerProcess) -> None:
    rows = run(worker, "a", chat("go on", max_tokens=10, logprobs=3))
    entries = entries_of(rows)
    assert [entry["token_id"] for entry in entries] == ids_of(rows)
    assert "".join(entry["token"] for entry in entries) == text_of(rows)
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"] and len(entry["top"]) == 3
        assert entry["top"][0] == {name: entry[name] for name in ("token_id", "token", "bytes", "logprob")}
        assert 0 >= entry["top"][0]["logprob"] >= entry["top"][2]["logprob"]
    bare = run(worker, "b", chat("go on", max_tokens=3, logprobs=0))
    assert [entry["top"] for entry in entries_of(bare)] == [[], [], []]
    assert not entries_of(run(worker, "c", chat("go on", max_tokens=3)))
    for wrong in (-1, 21, 1.5, True):
        error = worker.error("generate", request_id="a", request=chat("x", logprobs=wrong))
        assert error["data"]["param"] == "params.request.logprobs"


def test_logprobs_are_the_models_whatever_the_options_are(worker: WorkerProcess) -> None:
    plain = entries_of(run(worker, "a", chat("go on", max_tokens=1, logprobs=20)))[0]["top"]
    ask = chat("go on", max_tokens=1, logprobs=20, temperature=2, top_p=0.5)
    ask["sampling"]["logit_bias"] = {"80": 100}
    (biased,) = entries_of(run(worker, "b", ask))
    assert biased["token_id"] == 80 and biased["logprob"] < -0.1
    assert biased["top"] == plain


def test_the_prompt_comes_back_as_text_when_asked_for(worker: WorkerProcess) -> None:
    asks = {
        "the lazy": request({"kind": "text", "text": "the lazy"}, return_prompt=True),
        "<|user|>hi<|end|><|assistant|>": chat("hi", return_prompt=True),
        "d": request({"kind": "token_ids", "token_ids": [72]}, return_prompt=True),
    }
    for index, (text, ask) in enumerate(asks.items()):
        answer = worker.result("generate", request_id=f"{index}", request=ask)
        worker.rows_until_end(f"{index}")
        assert answer["prompt_text"] == text
    assert "prompt_text" not in worker.result("generate", request_id="n", request=chat("hi", max_tokens=1))
    worker.rows_until_end("n")
    error = worker.error("generate", request_id="a", request=chat("x", return_prompt=1))
    assert error["data"]["param"] == "params.request.return_prompt"


def test_a_gap_that_cannot_be_filled_is_unsupported(worker: WorkerProcess) -> None:
    ask = request({"kind": "fill", "prefix": "a", "suffix": "b"})
    error = worker.error("generate", request_id="a", request=ask)
    assert error["data"] == {"code": "unsupported_parameter", "param": "suffix"}


def test_a_model_that_fills_and_has_no_chat_template(models: Path) -> None:
    directory = build_model(models / "filling", seed=2, endless=True, fill=True, template=False)
    with WorkerProcess() as worker:
        loaded = worker.load(directory)
        assert (loaded["has_chat_template"], loaded["can_fill"]) == (False, True)
        assert loaded["has_chat_template"] is False
        ask = request({"kind": "fill", "prefix": "the lazy ", "suffix": " runs"}, return_prompt=True)
        answer = worker.result("generate", request_id="a", request=ask)
        assert answer["prompt_text"] == "the lazy " and len(ids_of(worker.rows_until_end("a"))) == 8
        error = worker.error("generate", request_id="b", request=chat("x"))
        assert error["data"]["code"] == "invalid_request_error" and "no chat template" in error["message"]
        assert len(worker.result("canary", prompt=None, max_tokens=3)["token_ids"]) == 3


def test_a_tool_parser_of_the_operators_choice(models: Path) -> None:
    directory = build_model(models / "parser", seed=2)
    settings = {"model_id": "m", "path": str(directory), "max_context_tokens": None, "max_concurrency": 2}
    with WorkerProcess() as worker:
        worker.result("initialize", protocol_version=1)
        for wrong in ("no_such", "../json_tools", "", "__init__"):
            error = worker.error("load", **settings, tool_parser=wrong)
            assert error["data"] == {"code": "invalid_request_error", "param": "tool_parser"}
            assert "json_tools" in error["message"]
        assert worker.result("load", **settings, tool_parser="mistral")["tool_parser"] == "mistral"


def any_request(rng: random.Random, index: int) -> dict[str, Any]:
    ask = chat(f"question {index} " * rng.randrange(1, 6), max_tokens=rng.randrange(5, 60))
    ask["sampling"].update(
        {
            "temperature": rng.choice([0, 0.8, 1.5]),
            "seed": index,
            **rng.choice(
                [
                    {},
                    {"top_k": 20, "min_p": 0.02, "top_p": 0.9},
                    {"repetition_penalty": 1.3, "repetition_context_size": 64},
                    {"presence_penalty": 1, "frequency_penalty": 0.5, "logit_bias": {"80": 2}},
                    {"xtc_probability": 0.5, "xtc_threshold": 0.05},
                ]
            ),
        }
    )
    if rng.random() < 0.4:  # a writer of markers: broken calls, reasoning, calls in reasoning
        ask["prompt"]["tools"] = [TOOL]
        markers = {str(token): 6 for token in range(320 - len(MARKERS), 320)}
        ask["sampling"].setdefault("logit_bias", {}).update(markers)
        ask["sampling"]["temperature"] = 1
    if rng.random() < 0.4:
        ask["stop"] = rng.sample(["e", " t", "the", "zz"], 2)
    if rng.random() < 0.4:
        ask["logprobs"] = rng.randrange(6)
    return ask


def meaning(rows: list[dict[str, Any]]) -> Any:
    """What a client sees, and the ids; log probabilities may differ in the last digits."""
    entries = [
        (entry["token_id"], round(entry["logprob"], 3), [top["token_id"] for top in entry["top"][:2]])
        for entry in entries_of(rows)
    ]
    usage = [event["usage"] for row in rows for event in row["events"] if event["type"] == "finish"]
    return ids_of(rows), text_of(rows), text_of(rows, "reasoning"), usage, entries


def test_32_mixed_requests_are_what_they_are_alone(lively: WorkerProcess) -> None:
    rng = random.Random(7)
    asks = {f"{index}": any_request(rng, index) for index in range(32)}
    alone = {name: meaning(run(lively, f"alone-{name}", ask)) for name, ask in asks.items()}
    for repeat in range(2):
        cancelled = set(rng.sample(sorted(asks), 6))
        extra = {f"extra-{name}": {**asks[name], "max_tokens": 400} for name in cancelled}
        mixed = [*asks.items(), *extra.items()]
        rng.shuffle(mixed)
        for name, ask in mixed:
            lively.send("generate", request_id=f"{repeat}-{name}", request=ask)
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in asks}
        open_rows, steps = set(asks), 0
        while open_rows:
            step = lively.until(lambda message: message.get("method") == "step")["params"]
            steps += 1
            if steps % 5 == 0 and extra:
                lively.send("cancel", request_id=f"{repeat}-{extra.popitem()[0]}")
            for row in step["rows"]:
                name = row["request_id"].partition("-")[2]
                if name in rows:
                    rows[name].append(row)
                    if any(event["type"] == "finish" for event in row["events"]):
                        open_rows.discard(name)
        for name in extra:
            lively.result("cancel", request_id=f"{repeat}-{name}")
        assert {name: meaning(found) for name, found in rows.items()} == alone
    kinds = {event["type"] for message in lively.received for row in message.get("params", {}).get("rows", [])
             for event in row["events"]}  # fmt: skip
    assert {"text", "reasoning", "finish"} <= kinds
