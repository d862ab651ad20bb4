"""A tool call's text as checked calls. Models' parsers differ in manners; what goes wrong ends as None."""

import json
import secrets
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

CallParser = Callable[[str, Any], Any]

# A call longer than this is not looked at: parsing happens between two steps of all rows, and a line of the
# protocol is bounded. Characters.
MAX_CALL_CHARACTERS = 1_000_000
# Longer ids are not sent, and nobody could want them back. Characters.
MAX_ID_CHARACTERS = 256
ID_CHARACTERS = string.ascii_letters + string.digits


def parse_tool_calls(
    text: str, tools: Sequence[Mapping[str, Any]], parse: CallParser | None
) -> list[dict[str, str]] | None:
    """Calls as {id, name, arguments}, `arguments` as JSON text, id empty when the model gave none; None when
    this is no call of these tools.

    Some parsers accept any text as a call, some raise odd exceptions: the result is judged, not trusted.
    """
    if parse is None or len(text) > MAX_CALL_CHARACTERS:
        return None
    try:
        parsed = parse(text, [_complete(tool) for tool in tools])
        found = parsed if isinstance(parsed, list) else [parsed]
        names = {tool["function"]["name"] for tool in tools}
        calls = [_checked(call, names) for call in found]
    except Exception:
        return None
    return calls or None


def call_id_unlike(wanted: str, taken: Collection[str], length: int | None) -> str:
    """The model's own id, because some templates need it back, unless it is empty, too long or already taken.

    Otherwise a random one: `length` letters and digits where templates insist, else call_ and 24 hex digits.
    """
    if wanted and len(wanted) <= MAX_ID_CHARACTERS and wanted not in taken:
        return wanted
    if length is not None:
        return "".join(secrets.choice(ID_CHARACTERS) for _ in range(length))
    return f"call_{secrets.token_hex(12)}"


def _complete(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The tool with the members that parsers take for granted."""
    function = dict(tool["function"])
    parameters = function.get("parameters")
    parameters = dict(parameters) if isinstance(parameters, dict) else {}
    properties = parameters.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    parameters["properties"] = {
        name: schema for name, schema in properties.items() if isinstance(schema, dict)
    }
    return {**tool, "function": {**function, "parameters": parameters}}


def _checked(call: Any, names: set[str]) -> dict[str, str]:
    name = call["name"]
    arguments = call.get("arguments", call.get("parameters"))
    if name not in names:
        raise ValueError(f"{name!r} is not a tool of this request")
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    if not isinstance(arguments, dict | None):
        raise TypeError("arguments are not an object")
    call_id = call.get("id")
    text = json.dumps(arguments or {}, ensure_ascii=False, allow_nan=False)
    return {
        "id": call_id if isinstance(call_id, str) else "",
        "name": name,
        # A lone surrogate cannot travel as UTF-8, as an escape it can.
        "arguments": text if _encodes(text) else json.dumps(arguments, allow_nan=False),
    }


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
