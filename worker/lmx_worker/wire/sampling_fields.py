"""Sampling options from the wire. What passes here can neither raise nor corrupt anything inside a step."""

import math
from typing import Any

from lmx_worker.wire.commands import Sampling
from lmx_worker.wire.fields import Fields

MAX_SAFE_INTEGER = 2**53 - 1
# The smallest number above 0, for ranges that exclude it.
ABOVE_ZERO = math.ulp(0.0)
MAX_CONTEXT_SIZE = 100_000

# Optional members with their ranges, both ends included.
NUMBERS: dict[str, tuple[float, float]] = {
    "min_p": (0, 1),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 0.5),
    "repetition_penalty": (ABOVE_ZERO, 10),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
INTEGERS = {"top_k": (0, None), "repetition_context_size": (1, MAX_CONTEXT_SIZE)}
MAX_BIAS = 100


def read_sampling(fields: Fields) -> Sampling:
    """Checked options; an absent one is off.

    Raises:
        RequestFailure: invalid_request_error naming the member, unsupported_parameter for an unknown one.
    """
    options: dict[str, Any] = {
        "temperature": fields.number("temperature", minimum=0, maximum=2),
        "top_p": fields.number("top_p", minimum=ABOVE_ZERO, maximum=1),
        "seed": fields.integer("seed", minimum=0, maximum=MAX_SAFE_INTEGER),
    }
    for name, (minimum, maximum) in NUMBERS.items():
        if fields.has(name):
            options[name] = fields.number(name, minimum=minimum, maximum=maximum)
    for name, (least, most) in INTEGERS.items():
        if fields.has(name):
            options[name] = fields.integer(name, minimum=least, maximum=most)
    if fields.has("logit_bias"):
        options["logit_bias"] = _logit_bias(fields.object("logit_bias"))
    # An option this worker does not know must fail loudly: ignored, it would change the answer in silence.
    fields.done()
    return Sampling(**options)


def _logit_bias(fields: Fields) -> dict[int, float]:
    """Bias by token id. Whether the model has such an id is checked against the model."""
    biases: dict[int, float] = {}
    for name in fields.value:
        if not (name.isascii() and name.isdigit() and len(name) <= 9):
            raise fields.expected(name[:20], "a token id as name", name)
        token_id = int(name)
        if token_id in biases:
            raise fields.expected(name, "every token id once", name)
        biases[token_id] = fields.number(name, minimum=-MAX_BIAS, maximum=MAX_BIAS)
    return biases
