"""Build the tokenizer: byte-level BPE trained on the answers and on the filler text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

BEGIN, END = "<|begin|>", "<|end|>"
SYSTEM, USER, ASSISTANT, TOOL, TOOLS = "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|tools|>"
CHAT_TOKENS = (BEGIN, END, SYSTEM, USER, ASSISTANT, TOOL, TOOLS)
TOOL_TAGS = ("<tool_call>", "</tool_call>")
VOCABULARY_SIZE = 1024

# A capitalised word never takes its space along, so a name has the same tokens in a sentence and in JSON,
# and a number of two digits is one token: both can be repeated by looking at one place.
_WORDS = Regex(
    r" ?[\p{Ll}\p{Lo}\p{M}]+|[\p{Lu}\p{Lt}]+[\p{Ll}\p{M}]*|\p{N}{1,2}|\s+(?=\s\S)|\s| ?[^\s\p{L}\p{N}]+"
)


def build_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Train on `texts`; the result has VOCABULARY_SIZE ids, the chat tokens first (END has id 1)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORDS, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special: list[Any] = [AddedToken(token, special=True, normalized=False) for token in CHAT_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - len(TOOL_TAGS),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TOOL_TAGS])
    if tokenizer.get_vocab_size() != VOCABULARY_SIZE:
        raise ValueError(
            f"Expected {VOCABULARY_SIZE} tokens, got {tokenizer.get_vocab_size()}; give more text"
        )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path, context_tokens: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    # One line and no spaces: a third of the size of the pretty form.
    content = json.loads(tokenizer.to_str())
    (directory / "tokenizer.json").write_text(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": END,
        "model_max_length": context_tokens,
        "clean_up_tokenization_spaces": False,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    template = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
    (directory / "chat_template.jinja").write_text(template, encoding="utf-8")
