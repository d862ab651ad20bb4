"""Fill in the middle: prompts of text before and after a gap, for tokenizers that have tokens for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lmx_worker.wire.commands import FillPrompt

# Names of the tokens before the prefix, before the suffix and before the answer. Where the last is missing
# the model was trained with the suffix first.
FILL_TOKENS: tuple[tuple[str, str, str | None], ...] = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
    ("<PRE>", "<SUF>", "<MID>"),
    ("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
    ("[PREFIX]", "[SUFFIX]", None),
)


@dataclass(frozen=True)
class FillTokens:
    """Ids of the markers; without `middle` the order is suffix, prefix."""

    prefix: int
    suffix: int
    middle: int | None


def find_fill_tokens(vocabulary: Mapping[str, int]) -> FillTokens | None:
    """The first family of names the vocabulary holds completely, or None."""
    for prefix, suffix, middle in FILL_TOKENS:
        if all(name is None or name in vocabulary for name in (prefix, suffix, middle)):
            middle_id = vocabulary[middle] if middle is not None else None
            return FillTokens(vocabulary[prefix], vocabulary[suffix], middle_id)
    return None


def encode_fill(tokenizer: Any, tokens: FillTokens, prompt: FillPrompt) -> list[int]:
    """Ids in the order the model knows, after the beginning token if the tokenizer sets one by default."""
    prefix = [tokens.prefix, *tokenizer.encode(prompt.prefix, add_special_tokens=False)]
    suffix = [tokens.suffix, *tokenizer.encode(prompt.suffix, add_special_tokens=False)]
    begin = [token for token in tokenizer.encode("")[:1] if token == tokenizer.bos_token_id]
    if tokens.middle is None:
        return [*begin, *suffix, *prefix]
    return [*begin, *prefix, *suffix, tokens.middle]
