"""Tiny real models with random weights, built in milliseconds: no mocks needed to test an engine.

`python -m tests.tiny_models --arch llama --out DIR [--seed N] [--endless]` writes one to disk.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel

from tests.tiny_architectures import ARCHITECTURES, VOCABULARY_SIZE

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


def build_model(
    directory: Path,
    arch: str = "llama",
    *,
    seed: int = 0,
    endless: bool = False,
    fill: bool = False,
    template: bool = True,
) -> Path:
    """Write model and tokenizer to `directory`.

    The same seed gives the same bytes. `endless` makes a model that never ends its answer and writes only
    printable ASCII, so that every token is visible text at once; `fill` one with tokens for filling a gap,
    and `template=False` one that cannot chat.
    """
    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_map_with_path
    from mlx_lm.utils import _get_classes, save_model

    directory.mkdir(parents=True, exist_ok=True)
    config = {**ARCHITECTURES[arch], "eos_token_id": 0}
    tokenizer = write_tokenizer(directory, fill=fill, template=template)
    model_class, arguments_class = _get_classes(config)
    mx.random.seed(seed)
    model = model_class(arguments_class.from_dict(config))
    # Wider than the default initialisation: with flat logits everything would be a near-tie.
    model.update(
        tree_map_with_path(
            lambda path, value: mx.random.normal(value.shape) * 0.25 if value.ndim > 1 else value,
            model.parameters(),
        )
    )
    if endless:
        _silence(model, {token for token in range(VOCABULARY_SIZE) if not _is_printable(tokenizer, token)})
    mx.eval([value for _, value in tree_flatten(model.parameters())])
    save_model(directory, model, donate_model=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    return directory


def write_tokenizer(directory: Path, *, fill: bool = False, template: bool = True) -> Tokenizer:
    """A byte-level BPE tokenizer with chat roles, reasoning and tool markers, and a chat template."""
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


def _is_printable(tokenizer: Tokenizer, token: int) -> bool:
    text = tokenizer.id_to_token(token) or ""
    decoded = tokenizer.decode([token], skip_special_tokens=False)
    return (
        text not in SPECIAL + MARKERS + FILL_TOKENS
        and decoded != ""
        and decoded.isascii()
        and decoded.isprintable()
    )


def _silence(model: Any, tokens: set[int]) -> None:
    """Give these tokens the logit 0 and all others a wide spread, so that they are not even sampled."""
    import mlx.core as mx

    weight = model.lm_head.weight
    keep = mx.array([[0.0 if row in tokens else 3.0] for row in range(weight.shape[0])])
    model.lm_head.weight = weight * keep


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a tiny random model.")
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default="llama")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--endless", action="store_true")
    options = parser.parse_args()
    print(build_model(options.out, options.arch, seed=options.seed, endless=options.endless))


if __name__ == "__main__":
    main()
