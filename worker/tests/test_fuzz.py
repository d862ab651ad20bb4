"""Random and hostile requests against a live worker: it answers every one and never dies."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import build_model
from tests.worker_process import WorkerProcess

REQUESTS = 900
IN_FLIGHT = 48
CODES = {"invalid_request_error", "unsupported_parameter", "context_length_exceeded", "request_cancelled"}

HOSTILE: list[Any] = [
    None, True, False, -1, 0, 1, 2, 0.5, 1e308, -1e308, 5e-324, 2**53, 2**63, 2**64, -(2**63), 10**30, 1e-9,
    "", "x", "NaN", "\x00", "\ud800", "😀" * 50, "x" * 5000, [], [[]], [None], [-1], [320], [2**40], {},
    {"a": 1}, {"": {}}, {"1": "x"}, [{}], [1.5], "<|end|>", "<tool_call>", "{{ 1 }}",
]  # fmt: skip


@pytest.fixture(scope="module")
def target(models: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess() as process:
        process.load(build_model(models / "fuzzed", seed=9), rows=16, context=192)
        yield process


def good(rng: random.Random, name: str) -> Any:
    """A value inside the schema."""
    match name:
        case "temperature":
            return rng.choice([0, 0.7, 2, 1e-300])
        case "top_p":
            return rng.choice([1, 0.5, 5e-324])
        case "seed":
            return rng.randrange(2**53)
        case "top_k":
            return rng.choice([0, 1, 319, 320, 321, 2**53 - 1])
        case "min_p" | "xtc_probability":
            return rng.choice([0, 5e-324, 0.5, 1])
        case "xtc_threshold":
            return rng.choice([0, 0.1, 0.5])
        case "repetition_penalty":
            return rng.choice([5e-324, 0.5, 1, 10])
        case "repetition_context_size":
            return rng.choice([1, 20, 100_000])
        case "presence_penalty" | "frequency_penalty":
            return rng.choice([-2, 0, 1.1, 2])
        case "logit_bias":
            ids = rng.sample(range(320), rng.choice([0, 1, 10, 320]))
            return {str(token): rng.choice([-100, 0.1, 100]) for token in ids}
        case "stop":
            return [rng.choice(["a", "\n", "the", "😀", "x" * 1000]) for _ in range(rng.randrange(17))]
        case "logprobs":
            return rng.randrange(21)
        case "return_prompt":
            return rng.random() < 0.5
        case _:
            return rng.choice([1, 2, 5, 10, 10**9] if rng.random() < 0.2 else [1, 2, 5])


SAMPLING = (
    "temperature", "top_p", "seed", "top_k", "min_p", "xtc_probability", "xtc_threshold",
    "repetition_penalty", "repetition_context_size", "presence_penalty", "frequency_penalty", "logit_bias",
)  # fmt: skip
OPTIONAL = ("stop", "logprobs", "return_prompt")


def prompt_of(rng: random.Random) -> dict[str, Any]:
    text = "".join(rng.choice(["the ", "<think>", "😀", "\x00", "<|end|>", "{% x %}", "ä"]) for _ in range(6))
    match rng.randrange(4):
        case 0:
            return {"kind": "text", "text": text}
        case 1:
            return {"kind": "fill", "prefix": text, "suffix": text}
        case 2:
            length = rng.choice([0, 1, 5, 191, 192])
            return {"kind": "token_ids", "token_ids": [rng.randrange(320) for _ in range(length)]}
    function = {"name": rng.choice(["f", "", "ä"]), "arguments": rng.choice(["", "{}", "{", '{"a": [1]}'])}
    messages = [
        {"role": "user", "content": text},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "", "type": "function", "function": function}],
        },
        {"role": "tool", "content": text, "tool_call_id": "1"},
    ]
    tools = [
        {
            "type": "function",
            "function": {"name": "f", "parameters": rng.choice([{}, {"properties": {"a": None}}])},
        }
    ]
    return {
        "kind": "messages",
        "messages": messages[: rng.randrange(1, 4)],
        "tools": tools[: rng.randrange(2)],
        "chat_template_kwargs": rng.choice([{}, {"x": 1}, {"messages": 1}, {"tokenizer": "x"}]),
    }


def random_request(rng: random.Random) -> dict[str, Any]:
    """Mostly good values; then up to three places anywhere in it get a hostile one, or a member goes."""
    sampling = {name: good(rng, name) for name in SAMPLING if name in SAMPLING[:3] or rng.random() < 0.4}
    ask = {"prompt": prompt_of(rng), "sampling": sampling, "max_tokens": good(rng, "max_tokens")}
    ask.update({name: good(rng, name) for name in OPTIONAL if rng.random() < 0.4})
    for _ in range(rng.choice([0, 0, 1, 1, 3])):
        parent, key = rng.choice(list(places(ask)))
        if rng.random() < 0.1 and isinstance(parent, dict):
            parent.pop(key)
        else:
            parent[key] = rng.choice(HOSTILE)
    if rng.random() < 0.03:
        ask[rng.choice(["surprise", "", "n"])] = 1
    return ask


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from places(value)


def test_every_request_is_answered_or_refused_with_a_code_and_nobody_dies(target: WorkerProcess) -> None:
    rng = random.Random(11)
    outcomes: Counter[str] = Counter()
    open_calls: dict[int, str] = {}
    open_rows: set[str] = set()

    def settle(limit: int) -> None:
        while len(open_calls) + len(open_rows) > limit:
            message = target.next()
            if message.get("method") == "step":
                for row in message["params"]["rows"]:
                    json.dumps(row, allow_nan=False)
                    last = row["events"][-1]["type"] if row["events"] else ""
                    if last in ("finish", "error"):
                        outcomes[last] += 1
                        open_rows.discard(row["request_id"])
                continue
            name = open_calls.pop(message["id"])
            if "error" in message:
                outcomes[message["error"]["data"]["code"]] += 1
                assert message["error"]["data"]["code"] in CODES, message
            elif name:
                open_rows.add(name)

    for index in range(REQUESTS):
        name = f"request-{index}"
        ask = random_request(rng)
        open_calls[target.send("generate", request_id=name, request=ask)] = name
        settle(IN_FLIGHT)
    settle(0)
    assert target.process.poll() is None and outcomes["error"] == 0, outcomes
    assert outcomes["finish"] > 200 and outcomes["invalid_request_error"] > 200, outcomes
    assert target.result("stats")["in_flight"] == 0
