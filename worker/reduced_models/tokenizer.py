"""The tokenizer of every reduced model: byte-level BPE with chat roles, reasoning and tool markers."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel

VOCABULARY_SIZE = 320
SPECIAL = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
FILL_TOKENS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
CORPUS = (
    "the quick brown fox jumps over the lazy dog and then it runs home to sleep in the warm sun",
    "a crash costs a pause and never the whole service because every model lives in its own process",
    'one two three four five six seven eight nine {"name": "get_weather", "arguments": {"city": "Paris"}}',
)
# The words "tool_call.name" tell mlx_lm which parser reads this model's calls.
CHAT_TEMPLATE = (
    "{%- if tools %}<|system|>{{ tools | tojson }}<|end|>{% endif %}"
    "{%- for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{%- for tool_call in message.tool_calls or [] %}<tool_call>"
    "{%- set tool_call = tool_call.function %}"
    '{"name": "{{ tool_call.name }}", "arguments": {{ tool_call.arguments | tojson }}}'
    "</tool_call>{% endfor %}<|end|>{% endfor %}"
    "{%- if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_tokenizer(directory: Path, *, fill: bool = False, template: bool = True) -> Tokenizer:
    """Write tokenizer.json and tokenizer_config.json; the same bytes each time.

    `fill` adds tokens for filling a gap; `template=False` leaves out the chat template.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - len(MARKERS) - len(FILL_TOKENS) * fill,
        special_tokens=list(SPECIAL),
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens([*MARKERS, *(FILL_TOKENS if fill else ())])
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": SPECIAL[0],
        **({"chat_template": CHAT_TEMPLATE} if template else {}),
        "clean_up_tokenization_spaces": False,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), "utf-8")
    return tokenizer


def is_printable(tokenizer: Tokenizer, token: int) -> bool:
    """Whether this token alone is visible ASCII text and no control token."""
    text = tokenizer.id_to_token(token) or ""
    decoded = tokenizer.decode([token], skip_special_tokens=False)
    return (
        text not in SPECIAL + MARKERS + FILL_TOKENS
        and decoded != ""
        and decoded.isascii()
        and decoded.isprintable()
    )
