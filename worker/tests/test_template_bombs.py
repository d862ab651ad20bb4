"""Chat templates that would take all time or memory end with the request's error, in a real process."""

import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.engine.interface import ModelFacts
from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.codec import MlxCodec
from lmx_worker.prompt import renderer
from lmx_worker.prompt.prompt import RESERVED_TEMPLATE_ARGUMENTS
from lmx_worker.wire.commands import MessagesPrompt
from tests.tiny_models import CHAT_TEMPLATE, write_tokenizer
from tests.worker_process import PATIENCE_SECONDS, WorkerProcess, chat, finish_of, request

FACTS = ModelFacts("llama", 2048, 320, (0,), None, False)
# Says what the last message asks it to: a sound template but for one word of the user.
BOMBS = {
    "endless": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    # A single operation: no interpreter can stop it, and it holds up every thread of its process.
    "power": "{% set n = 10 %}{% set m = n ** (n ** n) %}",
    "doubling": "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "repeat": "{{ 'x' * 10 ** 10 }}",
    "centre": "{{ 'x'.center(10 ** 10) }}",
    "long": "{% for i in range(90000) %}a long text that goes on and on{% endfor %}",
    "range": "{% for i in range(10 ** 9) %}{% endfor %}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
}
BOMB_TEMPLATE = (
    "".join(f"{{% if messages[-1].content == '{word}' %}}{bomb}{{% endif %}}" for word, bomb in BOMBS.items())
    + CHAT_TEMPLATE
)


def write_model_text(directory: Path, template: str) -> None:
    write_tokenizer(directory)
    (directory / "config.json").write_text('{"model_type": "llama", "vocab_size": 320}')
    set_template(directory, template)


def set_template(directory: Path, template: str) -> None:
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chat_template": template}))


@pytest.fixture
def short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "MOST_CPU_SECONDS", 1)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlxCodec]:
    directory = tmp_path_factory.mktemp("bombs")
    write_model_text(directory, BOMB_TEMPLATE)
    codec = MlxCodec(load_tokenizer(directory))
    codec.isolate_template(FACTS)
    yield codec
    codec.close()


def prompt(text: str, **arguments: Any) -> MessagesPrompt:
    return MessagesPrompt(({"role": "user", "content": text},), (), arguments)


@pytest.mark.parametrize(
    ("bomb", "word", "says"),
    [
        ("endless", "invalid_request_error", "took more than 1 seconds of processor time"),
        ("power", "invalid_request_error", "took more than 1 seconds of processor time"),
        ("doubling", "invalid_request_error", "took more than 512 MiB of memory"),
        ("repeat", "invalid_request_error", "took more than 512 MiB of memory"),
        ("centre", "invalid_request_error", "took more than 512 MiB of memory"),
        ("long", "context_length_exceeded", "2790032 characters, of which at most"),
        ("range", "invalid_request_error", "refused the conversation: Range too big"),
        ("recursion", "invalid_request_error", "refused the conversation: maximum recursion depth"),
    ],
)
def test_a_bomb_is_the_requests_error_and_the_next_prompt_is_prepared(
    codec: MlxCodec, short_time: None, bomb: str, word: str, says: str
) -> None:
    with pytest.raises(RequestFailure) as info:
        codec.encode(prompt(bomb))
    assert info.value.word == word and says in info.value.message
    assert codec.decode(codec.encode(prompt("hi")).token_ids) == "<|user|>hi<|end|><|assistant|>"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_no_prompt_is_blamed_when_the_process_was_killed_while_idle(tmp_path: Path) -> None:
    write_model_text(tmp_path, CHAT_TEMPLATE)
    codec = MlxCodec(load_tokenizer(tmp_path))
    others = children_of(os.getpid())
    codec.isolate_template(FACTS)
    codec.encode(prompt("hi"))
    (child,) = set(children_of(os.getpid())) - set(others)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert codec.decode(codec.encode(prompt("hi")).token_ids) == "<|user|>hi<|end|><|assistant|>"
    codec.close()


@pytest.mark.parametrize(("stops", "word"), [(1, None), (2, "server_is_overloaded")])
def test_a_process_without_a_processor_is_no_prompts_fault(
    codec: MlxCodec, monkeypatch: pytest.MonkeyPatch, stops: int, word: str | None
) -> None:
    monkeypatch.setattr(renderer, "MOST_SECONDS", 1.0)
    exchange, left = renderer.Renderer._exchange, iter(range(stops))

    def stopped_exchange(self: renderer.Renderer, line: bytes) -> bytes:
        if next(left, None) is not None:
            os.kill(self._process.pid, signal.SIGSTOP)
        return exchange(self, line)

    monkeypatch.setattr(renderer.Renderer, "_exchange", stopped_exchange)
    assert outcome_word(codec, prompt("hi")) == word
    assert outcome_word(codec, prompt("hi")) is None


def outcome_word(codec: MlxCodec, conversation: MessagesPrompt) -> str | None:
    try:
        codec.encode(conversation)
    except RequestFailure as failure:
        return failure.word
    return None


@pytest.mark.parametrize("name", sorted(RESERVED_TEMPLATE_ARGUMENTS))
def test_a_template_argument_of_the_servers_is_named(codec: MlxCodec, name: str) -> None:
    with pytest.raises(RequestFailure) as info:
        codec.encode(prompt("hi", **{name: "x"}))
    assert info.value.word == "unsupported_parameter"
    assert info.value.data["param"] == f"chat_template_kwargs.{name}"


def test_any_other_template_argument_is_the_templates(codec: MlxCodec) -> None:
    """Parameters of every call between the worker and the template."""
    for name in ("key", "kwargs", "args", "template", "context", "environment", "loop", "tokenizer"):
        assert outcome_word(codec, prompt("hi", **{name: "x"})) is None


def test_all_forms_of_a_conversation_together_have_the_time_of_one(tmp_path: Path, short_time: None) -> None:
    """A template that takes long and then refuses is tried in other forms: here there are eight."""
    busy = "{% for i in range(1500) %}{% for j in range(10000) %}{% endfor %}{% endfor %}"
    write_model_text(tmp_path, busy + "{{ raise_exception('no') }}" + CHAT_TEMPLATE)
    codec = MlxCodec(load_tokenizer(tmp_path))
    codec.isolate_template(FACTS)
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    called = {"role": "assistant", "content": "", "tool_calls": calls}
    turns = ({"role": "user", "content": "x"}, {"role": "user", "content": "y"}, called)
    tool = {"type": "function", "function": {"name": "f"}}
    with pytest.raises(RequestFailure, match="took more than 1 seconds"):
        codec.encode(MessagesPrompt(turns, (tool,), {}))
    codec.close()


CONVERSATIONS = [
    prompt("hi"),
    prompt("Grüße 👩‍👩‍👧 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")),
    prompt("hi", enable_thinking=False, zz={"list": [1, 2.5, None, True, "x"]}),
    prompt("hi", bos_token="<other>"),
    MessagesPrompt(
        (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
                ],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "1"},
        ),
        ({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},),
        {},
    ),
]
TEMPLATES = [
    CHAT_TEMPLATE,
    "{{ bos_token }}{% for m in messages %}{{ m }}{{ tools | tojson }}{% endfor %}{{ zz | tojson }}",
    "{% for m in messages %}{{ m.role }}{{ m.content }}{{ m.tool_calls[0].function.arguments.a }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}{{ enable_thinking }}",
    "{% generation %}{{ messages[0].content }}{% endgeneration %}{% continue %}",
    "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}",
    "{{ messages[0]['absent']['more'] }}",
    "{{ '<' ~ messages[-1].content }}\n  {% for m in messages %}\n  x\n {% endfor %}",
    "{% broken",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_gives_the_same_ids_and_refusals_in_either_process(tmp_path: Path, template: str) -> None:
    write_model_text(tmp_path, template)
    here, elsewhere = MlxCodec(load_tokenizer(tmp_path)), MlxCodec(load_tokenizer(tmp_path))
    elsewhere.isolate_template(FACTS)
    for conversation in CONVERSATIONS:
        assert outcome(elsewhere, conversation) == outcome(here, conversation)
    elsewhere.close()


def outcome(codec: MlxCodec, conversation: MessagesPrompt) -> Any:
    try:
        return codec.encode(conversation)
    except RequestFailure as failure:
        return failure.as_error()


@pytest.fixture(scope="module")
def bombs(endless: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = copytree(endless, tmp_path_factory.mktemp("models") / "bombs")
    set_template(directory, BOMB_TEMPLATE)
    return directory


def test_a_stream_goes_on_while_a_bomb_is_rendered(bombs: Path) -> None:
    with WorkerProcess() as worker:
        worker.load(bombs, rows=2)
        text = {"kind": "text", "text": "hello"}
        worker.send("generate", request_id="stream", request=request(text, max_tokens=None))
        worker.until(lambda message: message.get("method") == "step")
        call = worker.send("generate", request_id="bomb", request=chat("power"))
        before = len([message for message in worker.received if message.get("method") == "step"])
        error = worker.until(lambda message: message.get("id") == call)["error"]
        # Of processor time, or of the clock where the machine has no processor to spare.
        assert "chat template took more than" in error["message"]
        after = len([message for message in worker.received if message.get("method") == "step"])
        assert after > before + 50
        worker.send("generate", request_id="next", request=chat("hi"))
        assert finish_of(worker.rows_until_end("next"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_the_process_for_templates_ends_with_its_worker_whatever_it_does(bombs: Path) -> None:
    with WorkerProcess() as worker:
        worker.load(bombs, rows=2)
        worker.send("generate", request_id="bomb", request=chat("endless"))
        (child,) = children_of(worker.process.pid)
        exit_of_child = os.pidfd_open(child)
        worker.process.kill()
        worker.wait()
        assert select.select([exit_of_child], [], [], PATIENCE_SECONDS)[0]
        os.close(exit_of_child)


def children_of(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(text) for file in files for text in file.read_text().split()]
