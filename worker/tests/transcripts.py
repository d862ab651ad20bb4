"""Golden conversations in shared/transcripts: their format, how they are recorded and how they are replayed.

`python -m tests.transcripts` records them all again. A file is JSON lines:

- The first line describes the file: `model` says how tests/tiny_models.py builds the model that stands for
  `$MODEL` in paths, `volatile` lists members whose values differ between runs. Volatile members must be there
  and keep their JSON type; a path goes through every item of a list.
- Every other line is `{"dir": "to_worker" | "from_worker", "message": {...}}` in order. With `"more": true`
  any number of further messages of the same method may follow before the next one.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tiny_models import build_model
from tests.worker_process import WorkerProcess, chat, request

DIRECTORY = Path(__file__).parents[2] / "shared" / "transcripts"
MODEL = {"arch": "llama", "seed": 2, "endless": True}
VOLATILE = [
    "result.pid",
    "result.versions.python",
    "result.versions.mlx",
    "result.versions.mlx_lm",
    "result.versions.transformers",
    "result.device",
    "result.load_seconds",
    "result.seconds",
    "result.steps",
    "result.memory_bytes",
    "result.peak_memory_bytes",
    "result.cache_memory_bytes",
    "params.step",
    "params.rows.events.logprobs.logprob",
    "params.rows.events.logprobs.top.logprob",
    "error.data.error_type",
    "error.data.detail",
]
LOAD = {"model_id": "tiny", "path": "$MODEL", "max_context_tokens": None, "max_concurrency": 4}
LONG = {"kind": "token_ids", "token_ids": [80] * 250}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}

OPTIONS = {
    "temperature": 1, "seed": 7, "top_k": 40, "min_p": 0.01, "xtc_probability": 0.5, "xtc_threshold": 0.1,
    "repetition_penalty": 1.1, "repetition_context_size": 64, "presence_penalty": 0.5,
    "frequency_penalty": 0.5, "max_tokens": 4,
}  # fmt: skip


def with_options(text: str, **options: Any) -> dict[str, Any]:
    """A chat request; what is no member of a request is one of its sampling."""
    outside = {name: options.pop(name) for name in ("max_tokens", "stop") if name in options}
    ask = chat(text, **outside)
    return {**ask, "sampling": {**ask["sampling"], **options}}


# What the supervisor says; after each message the recorder waits for the answer and the end of a generation.
# "cancelled later" generations are only waited for until their first step.
CONVERSATIONS: dict[str, tuple[dict[str, Any], list[tuple[str, Any]]]] = {
    "chat": (
        MODEL,
        [
            ("initialize", {"protocol_version": 1}),
            ("load", LOAD),
            ("canary", {"prompt": None, "max_tokens": 8}),
            ("ping", {}),
            ("generate", {"request_id": "greedy", "request": chat("hello", max_tokens=5)}),
            (
                "generate",
                {
                    "request_id": "seeded",
                    "request": chat("hello", max_tokens=5, temperature=0.8, top_p=0.9, seed=42, tools=[TOOL]),
                },
            ),
            ("generate", {"request_id": "text", "request": request({"kind": "text", "text": "the lazy"})}),
            ("stats", {}),
            ("shutdown", {}),
        ],
    ),
    "options": (
        MODEL,
        [
            ("initialize", {"protocol_version": 1}),
            ("load", {**LOAD, "tool_parser": "mistral"}),
            (
                "generate",
                {"request_id": "logprobs", "request": chat("hello", max_tokens=2, logprobs=1)},
            ),
            ("generate", {"request_id": "sampled", "request": with_options("hello", **OPTIONS)}),
            (
                "generate",
                {
                    "request_id": "stopped",
                    "request": with_options("hello", logit_bias={"80": 100}, max_tokens=9, stop=["lll"]),
                },
            ),
            (
                "generate",
                {
                    "request_id": "echo",
                    "request": request({"kind": "text", "text": "the"}, max_tokens=1, return_prompt=True),
                },
            ),
            (
                "generate",
                {"request_id": "fill", "request": request({"kind": "fill", "prefix": "a", "suffix": "b"})},
            ),
            ("generate", {"request_id": "bias", "request": with_options("hello", logit_bias={"320": 1})}),
            ("shutdown", {}),
        ],
    ),
    "cancel": (
        MODEL,
        [
            ("initialize", {"protocol_version": 1}),
            ("load", LOAD),
            ("generate", {"request_id": "cancelled later", "request": chat("hello", max_tokens=2000)}),
            ("cancel", {"request_id": "cancelled later"}),
            ("cancel", {"request_id": "cancelled later"}),
            ("generate", {"request_id": "after", "request": chat("hello", max_tokens=2)}),
            ("shutdown", {}),
        ],
    ),
    "inspect": (
        MODEL,
        [
            ("initialize", {"protocol_version": 1}),
            ("inspect", {"model_id": "tiny", "path": "$MODEL", "max_context_tokens": None}),
            ("load", LOAD),
            ("shutdown", {}),
        ],
    ),
    "budget": (
        MODEL,
        [
            ("initialize", {"protocol_version": 1}),
            ("load", {**LOAD, "trust_code": False, "cache_budget_bytes": 512 * 256}),
            ("generate", {"request_id": "too much", "request": request(LONG, max_tokens=7)}),
            ("generate", {"request_id": "all of it", "request": request(LONG, max_tokens=None)}),
            ("shutdown", {}),
        ],
    ),
    "errors": (
        MODEL,
        [
            ("stats", {}),
            ("initialize", {"protocol_version": 2}),
            ("initialize", {"protocol_version": 1}),
            ("generate", {"request_id": "early", "request": chat("hello")}),
            ("load", {**LOAD, "path": "/nowhere"}),
            ("load", {**LOAD, "max_context_tokens": 16}),
            ("load", LOAD),
            ("no_such_method", {}),
            ("generate", {"request_id": "hot", "request": chat("hello", temperature=3)}),
            ("generate", {"request_id": "long", "request": chat("word " * 30)}),
            ("generate", {"request_id": "empty", "request": request({"kind": "token_ids", "token_ids": []})}),
            (
                "generate",
                {"request_id": "ids", "request": request({"kind": "token_ids", "token_ids": [320]})},
            ),
            ("cancel", {"request_id": "nobody"}),
            ("shutdown", {}),
        ],
    ),
}


def model_of(header: dict[str, Any], directory: Path) -> Path:
    """The model a transcript needs, built if it is not there yet."""
    model = header["model"]
    target = directory / f"{model['arch']}-{model['seed']}-{model['endless']}"
    if not target.exists():
        build_model(target, model["arch"], seed=model["seed"], endless=model["endless"])
    return target


def record(name: str, scratch: Path) -> None:
    """Hold one conversation with a real worker and write it down."""
    model, says = CONVERSATIONS[name]
    header = {"transcript": name, "model": model, "volatile": VOLATILE}
    lines: list[dict[str, Any]] = [header]
    with WorkerProcess() as worker:
        for method, params in says:
            lines += _exchange(worker, method, params, str(model_of(header, scratch)))
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (DIRECTORY / f"{name}.jsonl").write_text(text + "\n", "utf-8")


def _exchange(worker: WorkerProcess, method: str, params: Any, model: str) -> Iterator[dict[str, Any]]:
    real = {**params, "path": model} if params.get("path") == "$MODEL" else params
    call_id = worker.send(method, **real)
    message = {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}
    yield {"dir": "to_worker", "message": message}
    while (answer := worker.next()).get("id") != call_id:
        if answer.get("method") != "step":  # late steps of a generation that is being cancelled
            yield {"dir": "from_worker", "message": answer}
    yield {"dir": "from_worker", "message": answer}
    if method != "generate" or "error" in answer:
        return
    if params["request_id"] == "cancelled later":
        yield {"dir": "from_worker", "more": True, "message": worker.next()}
        return
    while True:
        step = worker.next()
        yield {"dir": "from_worker", "message": step}
        if any(event["type"] == "finish" for event in step["params"]["rows"][0]["events"]):
            return


def main() -> None:
    import tempfile

    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in CONVERSATIONS:
            record(name, Path(scratch))


if __name__ == "__main__":
    main()
