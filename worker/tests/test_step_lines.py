import json
from typing import Any

from lmx_worker.scheduling.step_lines import step_lines
from lmx_worker.wire.protocol import MAX_LINE_OUT_BYTES
from lmx_worker.wire.transport import encode

FINISH = {"type": "finish", "reason": "stop", "usage": {}}


def row(name: str, *events: dict[str, Any], position: int = 4) -> dict[str, Any]:
    return {"request_id": name, "position": position, "token_ids": [9], "events": list(events)}


def said(text: str, tokens: int | None = None) -> dict[str, Any]:
    entry = {"token_id": 1, "token": "\x00" * 16, "bytes": [0] * 16, "logprob": -1.234567890123}
    logprobs = (
        {}
        if tokens is None
        else {"logprobs": [{**entry, "top": [entry] * 20, "n": n} for n in range(tokens)]}
    )
    return {"type": "text", "text": text, **logprobs}


def test_an_ordinary_step_is_one_line() -> None:
    rows = [row(f"{index}", said("x", 1)) for index in range(32)] + [row("silent"), row("end", FINISH)]
    assert step_lines(rows) == [rows]
    assert step_lines([]) == []


def test_much_that_was_held_back_comes_in_several_lines_and_nothing_is_lost_or_moved() -> None:
    rows = [
        row("a", said("x" * 1_200_000, 3000), FINISH),
        row("b", said("y", 1)),
        row("c", said("z" * 600_000)),
    ]
    lines = step_lines(rows)
    assert len(lines) > 5
    parts: dict[str, list[dict[str, Any]]] = {"a": [], "b": [], "c": []}
    for line in lines:
        assert len(encode({"params": {"rows": line}})) < MAX_LINE_OUT_BYTES / 2
        for part in line:
            parts[part["request_id"]].append(part)
    for whole in rows:
        mine = parts[whole["request_id"]]
        assert [part["token_ids"] for part in mine] == [[9]] + [[]] * (len(mine) - 1)
        assert [part["position"] for part in mine] == [4] + [5] * (len(mine) - 1)
        events = [event for part in mine for event in part["events"]]
        assert "".join(e.get("text", "") for e in events) == whole["events"][0]["text"]
        assert [t["n"] for e in events for t in e.get("logprobs", [])] == [
            t["n"] for t in whole["events"][0].get("logprobs", [])
        ]
    assert parts["a"][-1]["events"][-1] == FINISH
    json.dumps(lines)


def test_calls_are_never_split() -> None:
    call = {"type": "tool_call", "index": 0, "id": "1", "name": "f", "arguments": "x" * 900_000}
    lines = step_lines([row("a", call, {**call, "index": 1}, FINISH)])
    events = [event for line in lines for part in line for event in part["events"]]
    assert events == [call, {**call, "index": 1}, FINISH] and len(lines) >= 2
