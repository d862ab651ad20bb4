"""Architectures that cannot be served, or not everywhere, although they are installed, and why."""

from dataclasses import dataclass
from typing import Literal

LimitKind = Literal["cannot-build", "needs-metal", "tokenizer-refused", "cannot-batch", "fails-in-batch"]

# The mlx_lm version the table was found with; other versions may do better or worse.
LIMITS_OF = "0.32.2"


@dataclass(frozen=True)
class Limit:
    """How far a reduced model gets, and why no further.

    cannot-build: no model comes about. needs-metal: built anywhere, runs on Macs only. tokenizer-refused:
    transformers does not accept the config. cannot-batch: its cache has no batched form. fails-in-batch: rows
    of one batch end in an exception or in other text than alone, so it is served one row at a time.
    """

    kind: LimitKind
    reason: str


# By mlx_lm module.
LIMITS: dict[str, Limit] = {
    "afm7": Limit(
        "fails-in-batch",
        "Its layers that reuse keys rotate their queries by the length of the longest row of a batch.",
    ),
    "bitnet": Limit("needs-metal", "Its ternary layers are a Metal kernel without a CPU form."),
    "deepseek_v41": Limit("cannot-batch", "Its LayerCache has no batched form."),
    "gear": Limit("tokenizer-refused", "transformers does not know the layer type conv_mixer in its config."),
    "gemma2": Limit("fails-in-batch", "It lays the mask of a batch over the heads."),
    "gpt_bigcode": Limit("fails-in-batch", "It takes one position for all rows of a batch."),
    "llama4": Limit("cannot-batch", "Its ChunkedKVCache has no batched form."),
    "longcat_flash_ngram": Limit(
        "fails-in-batch", "A prompt of one token does not fit to rows whose last tokens it remembers."
    ),
    "muse_spark": Limit("needs-metal", "Its attention and experts are Metal kernels without a CPU form."),
    "olmo": Limit(
        "cannot-build", "Importing it needs the package ai2-olmo, which the runtime does not have."
    ),
    "phi3small": Limit(
        "fails-in-batch",
        "It lays the mask of a batch over the heads, and adds a mask of truth values as numbers, alone too.",
    ),
}
