"""A tool call's text as checked calls. Models' parsers differ in manners; what goes wrong ends as None."""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CallParser = Callable[[str, Any], Any]


def parse_tool_calls(
    text: str, tools: Sequence[Mapping[str, Any]], parse: CallParser | None
) -> list[dict[str, str]] | None:
    """Calls as {id, name, arguments}, `arguments` as JSON text; None when this is no call of these tools.

    Some parsers accept any text as a call, some raise odd exceptions: the result is judged, not trusted.
    """
    if parse is None:
        return None
    try:
        parsed = parse(text, list(tools))
        found = parsed if isinstance(parsed, list) else [parsed]
        names = {tool["function"]["name"] for tool in tools}
        calls = [_checked(call, names) for call in found]
    except Exception:
        return None
    return calls or None


def _checked(call: Any, names: set[str]) -> dict[str, str]:
    name, arguments = call["name"], call.get("arguments", {})
    if name not in names:
        raise ValueError(f"{name!r} is not a tool of this request")
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    if not isinstance(arguments, dict):
        raise TypeError("arguments are not an object")
    call_id = call.get("id")
    return {
        # Some templates need the model's own id back in the next turn.
        "id": call_id if isinstance(call_id, str) and call_id else f"call_{secrets.token_hex(12)}",
        "name": name,
        "arguments": json.dumps(arguments, ensure_ascii=False, allow_nan=False),
    }
