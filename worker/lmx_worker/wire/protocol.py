"""Lines from the supervisor as typed commands. Everything is checked here, nothing again inside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from lmx_worker.failure import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RequestFailure
from lmx_worker.wire.commands import (
    Canary,
    Cancel,
    Command,
    FillPrompt,
    Generate,
    Initialize,
    Inspect,
    Load,
    MessagesPrompt,
    Ping,
    Prompt,
    Shutdown,
    Stats,
    TextPrompt,
    TokenPrompt,
)
from lmx_worker.wire.fields import Fields
from lmx_worker.wire.sampling_fields import read_sampling

PROTOCOL_VERSION = 1
MAX_LINE_IN_BYTES = 32 * 1024 * 1024
MAX_LINE_OUT_BYTES = 8 * 1024 * 1024
MAX_ALTERNATIVES = 20
MAX_STOPS = 16
# A call repeats the name of its tool, and the supervisor takes no longer one.
MAX_TOOL_NAME_CHARACTERS = 512
MAX_STOP_CHARACTERS = 1000
MAX_OWNER_CHARACTERS = 64
# As many as the supervisor takes of a client.
MAX_MESSAGES = 20_000
MAX_TOOLS = 2_000
MAX_CALLS = 1_000


@dataclass(frozen=True)
class Call:
    """A request with the id its answer must carry."""

    id: int | str
    command: Command


def parse_call(line: bytes) -> Call:
    """One line as a checked call.

    Raises:
        RejectedCall: with the id to answer to (None when the line does not say) and the failure.
    """
    message = _parse_json(line)
    call_id = message.get("id")
    if isinstance(call_id, bool) or not isinstance(call_id, int | str):
        _reject(None, INVALID_REQUEST, "Expected a request with an id, a number or a string.")
    method = message.get("method")
    parse = METHODS.get(method) if isinstance(method, str) else None
    if parse is None:
        _reject(call_id, METHOD_NOT_FOUND, f"Unknown method {method!r:.100}; known: {', '.join(METHODS)}.")
    params = message.get("params", {})
    try:
        fields = Fields(params, "params")
        command = parse(fields)
        fields.done()
    except RequestFailure as failure:
        raise RejectedCall(call_id, failure) from None
    return Call(call_id, command)


class RejectedCall(Exception):
    """A line that is not a call we can make; `call_id` None when it cannot be answered by id."""

    def __init__(self, call_id: int | str | None, failure: RequestFailure) -> None:
        super().__init__(failure.message)
        self.call_id = call_id
        self.failure = failure


def _parse_json(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _reject(None, PARSE_ERROR, f"The line is not JSON: {str(error)[:200]}")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        _reject(None, INVALID_REQUEST, "Expected a JSON-RPC 2.0 object.")
    return message


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _reject(call_id: int | str | None, number: int, message: str) -> NoReturn:
    raise RejectedCall(call_id, RequestFailure("invalid_request_error", message, number=number))


def _initialize(fields: Fields) -> Initialize:
    version = fields.integer("protocol_version")
    if version != PROTOCOL_VERSION:
        raise RequestFailure(
            "invalid_request_error",
            f"Expected protocol_version {PROTOCOL_VERSION}, got {version}; "
            "supervisor and worker must come from the same release.",
            number=INVALID_PARAMS,
        )
    return Initialize(version)


def _inspect(fields: Fields) -> Inspect:
    return Inspect(
        model_id=fields.text("model_id"),
        path=fields.text("path"),
        max_context_tokens=fields.optional_integer("max_context_tokens", minimum=1),
        tool_parser=fields.optional_text("tool_parser"),
        trust_code=fields.flag("trust_code"),
    )


def _load(fields: Fields) -> Load:
    return Load(
        model_id=fields.text("model_id"),
        path=fields.text("path"),
        max_context_tokens=fields.optional_integer("max_context_tokens", minimum=1),
        max_concurrency=fields.integer("max_concurrency", minimum=1, maximum=1024),
        tool_parser=fields.optional_text("tool_parser"),
        trust_code=fields.flag("trust_code"),
        cache_budget_bytes=fields.optional_integer("cache_budget_bytes", minimum=0),
    )


def _canary(fields: Fields) -> Canary:
    return Canary(fields.optional_text("prompt"), fields.integer("max_tokens", minimum=1, maximum=64))


def _generate(fields: Fields) -> Generate:
    request_id = fields.text("request_id")
    request = fields.object("request")
    generate = Generate(
        request_id=request_id,
        prompt=_prompt(request.object("prompt")),
        sampling=read_sampling(request.object("sampling")),
        max_tokens=request.optional_integer("max_tokens", minimum=1),
        stop=_stop(request),
        logprobs=request.optional_integer("logprobs", minimum=0, maximum=MAX_ALTERNATIVES),
        return_prompt=request.flag("return_prompt"),
        owner=_owner(fields),
    )
    request.done()
    return generate


def _owner(fields: Fields) -> str:
    owner = fields.optional_text("owner") or ""
    if len(owner) > MAX_OWNER_CHARACTERS:
        raise fields.expected("owner", f"at most {MAX_OWNER_CHARACTERS} characters", owner)
    return owner


def _stop(request: Fields) -> tuple[str, ...]:
    stop = request.texts("stop") if request.has("stop") else ()
    if len(stop) > MAX_STOPS:
        raise request.expected("stop", f"at most {MAX_STOPS} texts", len(stop))
    for index, text in enumerate(stop):
        if not 1 <= len(text) <= MAX_STOP_CHARACTERS:
            raise request.expected(f"stop.{index}", f"1 to {MAX_STOP_CHARACTERS} characters", text)
    return stop


def _prompt(fields: Fields) -> Prompt:
    match fields.text("kind"):
        case "messages":
            messages = fields.objects("messages", minimum=1, maximum=MAX_MESSAGES)
            prompt: Prompt = MessagesPrompt(
                messages=tuple(_message(message) for message in messages),
                tools=tuple(_tool(tool) for tool in fields.objects("tools", maximum=MAX_TOOLS)),
                chat_template_kwargs=fields.mapping("chat_template_kwargs"),
            )
        case "text":
            prompt = TextPrompt(fields.text("text"))
        case "fill":
            prompt = FillPrompt(fields.text("prefix"), fields.text("suffix"))
        case "token_ids":
            prompt = TokenPrompt(fields.integers("token_ids"))
        case kind:
            raise fields.expected("kind", "messages, text, fill or token_ids", kind)
    fields.done()
    return prompt


def _message(fields: Fields) -> dict[str, Any]:
    role = fields.text("role")
    if role not in ("system", "user", "assistant", "tool"):
        raise fields.expected("role", "system, user, assistant or tool", role)
    message: dict[str, Any] = {"role": role, "content": fields.text("content")}
    for name in ("name", "reasoning_content", "tool_call_id"):
        value = fields.optional_text(name)
        if value is not None:
            message[name] = value
    if fields.has("tool_calls"):
        calls = fields.objects("tool_calls", maximum=MAX_CALLS)
        message["tool_calls"] = [_tool_call(call) for call in calls]
    fields.done()
    return message


def _tool_call(fields: Fields) -> dict[str, Any]:
    function = fields.object("function")
    call = {
        "id": fields.text("id"),
        "type": fields.text("type"),
        "function": {"name": function.text("name"), "arguments": function.text("arguments")},
    }
    function.done()
    fields.done()
    return call


def _tool(fields: Fields) -> dict[str, Any]:
    function = fields.object("function")
    name = function.text("name")
    if len(name) > MAX_TOOL_NAME_CHARACTERS:
        raise function.expected("name", f"at most {MAX_TOOL_NAME_CHARACTERS} characters", name)
    function.optional_text("description")
    if function.has("parameters"):
        function.mapping("parameters")
    return {"type": fields.text("type"), "function": dict(function.value)}


METHODS = {
    "initialize": _initialize,
    "inspect": _inspect,
    "load": _load,
    "canary": _canary,
    "generate": _generate,
    "cancel": lambda fields: Cancel(fields.text("request_id")),
    "ping": lambda fields: Ping(),
    "stats": lambda fields: Stats(),
    "shutdown": lambda fields: Shutdown(),
}
