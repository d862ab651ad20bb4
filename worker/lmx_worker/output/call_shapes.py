"""Shapes of tool calls that mlx_lm's parsers accept although something is missing.

Several of them take what they recognise and drop the rest: a parameter whose end tag is missing is then a
call without that argument. Such a call must be text, so the shape is checked before the parser is asked.
"""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from lmx_worker.output.tool_calls import CallParser

# Tags that must come in pairs, by parser.
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "glm47": (("<arg_key>", "</arg_key>"), ("<arg_value>", "</arg_value>"), ("<arg_key>", "<arg_value>")),
    "longcat": (
        ("<longcat_arg_key>", "</longcat_arg_key>"),
        ("<longcat_arg_value>", "</longcat_arg_value>"),
        ("<longcat_arg_key>", "<longcat_arg_value>"),
    ),
    "kimi_k2": (("<|tool_call_begin|>", "<|tool_call_end|>"),),
    "kimi_k3": (
        ("<|open|>call", "<|close|>call"),
        ("<|open|>argument", "<|close|>argument"),
        ("<|open|>json", "<|close|>json"),
    ),
    "minicpm5": (("<param ", "</param>"),),
    "minimax_m2": (("<invoke ", "</invoke>"), ("<parameter ", "</parameter>")),
    "muse_spark": (("<atem:invoke ", "</atem:invoke>"), ("<atem:parameter ", "</atem:parameter>")),
    "qwen3_coder": (("<function=", "</function>"), ("<parameter=", "</parameter>")),
}
PAIRS["laguna"] = PAIRS["glm47"]

# A tag that stands once for every call.
CALL_TAGS = {
    "kimi_k3": "<|open|>call",
    "minimax_m2": "<invoke ",
    "muse_spark": "<atem:invoke ",
    "qwen3_coder": "<function=",
}


def strict_parser(name: str, parse: CallParser) -> CallParser:
    """The parser of this name, refusing with ValueError what it would only half understand."""

    def parse_strictly(text: str, tools: Any) -> Any:
        if not _is_whole(name, text):
            raise ValueError("a part of the call is missing")
        parsed = parse(text, tools)
        count = len(parsed) if isinstance(parsed, list) else 1
        if name in CALL_TAGS and text.count(CALL_TAGS[name]) != count:
            raise ValueError("some of the calls are malformed")
        if _is_guess(name, text, parsed):
            raise ValueError("free text, not arguments")
        return parsed

    return parse_strictly


def _is_whole(name: str, text: str) -> bool:
    if any(text.count(start) != text.count(end) for start, end in PAIRS.get(name, ())):
        return False
    check = CHECKS.get(name)
    return check is None or check(text.strip())


def _is_guess(name: str, text: str, parsed: Any) -> bool:
    """Without arguments in tags glm47 takes any words as a call with one argument `raw`."""
    return (
        name in ("glm47", "laguna")
        and "<arg_key>" not in text
        and not isinstance(parsed, list)
        and set(parsed["arguments"]) == {"raw"}
        and not re.search(r"\braw\b", text)
    )


MISTRAL_MARKERS = re.compile(r"(?:\s|\[TOOL_CALLS\])*")
MISTRAL_HEADER = re.compile(r"[\w-]+\s*\[ARGS\]\s*")


def _is_mistral(text: str) -> bool:
    """The parser takes every call it finds and drops the words around them."""
    decoder = json.JSONDecoder()
    try:
        decoder.decode(text)
        return True
    except ValueError:
        pass
    at = 0
    while header := MISTRAL_HEADER.match(text, _behind_markers(text, at)):
        try:
            _, at = decoder.raw_decode(text, header.end())
        except ValueError:
            return False
    return _behind_markers(text, at) == len(text)


def _behind_markers(text: str, at: int) -> int:
    markers = MISTRAL_MARKERS.match(text, at)
    return at if markers is None else markers.end()


def _is_pythonic(text: str) -> bool:
    """For what is not valid Python the parser has a fallback, which takes an open string as a bare word."""
    if not (text.startswith("[") and text.endswith("]")):
        return False
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return text.count('"') % 2 == 0
    return True


CHECKS: dict[str, Callable[[str], bool]] = {
    # The parser reads up to the first closing brace and the first call only.
    "function_gemma": lambda text: text.startswith("call:") and text.find("}") == len(text) - 1,
    "gemma4": lambda text: text.startswith("call:") and text.endswith("}"),
    "mistral": _is_mistral,
    "pythonic": _is_pythonic,
}
