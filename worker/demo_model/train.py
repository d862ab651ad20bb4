"""Train lmx-demo and check it: `python -m demo_model.train` from the worker folder.

Writes the whole model directory and leaves with status 1 when a trained prompt or a held-out threshold fails.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model
from transformers import AutoTokenizer

from . import answers, corpus, filler, training
from .tokenizer import build_tokenizer, save_tokenizer
from .verify import verify

MODEL_DIRECTORY = Path(__file__).with_name("model")


def tokenizer_texts(seed: int) -> Iterator[str]:
    """Text for the byte-pair merges: the answers often, and a sample of everything else."""
    rng = random.Random(seed)
    fixed = [
        *answers.FIXED,
        *answers.FIXED.values(),
        *answers.ALIASES,
        answers.DO_NOT_KNOW,
        answers.NO_WEATHER_TOOL,
    ]
    weather = [frame.format(city=city) for frame in answers.WEATHER_QUESTIONS for city in answers.CITIES]
    call = '{"name": "get_weather", "arguments": {"city": "Paris"}} {"temperature": 1, "condition": '
    for _ in range(400):
        yield from fixed
        yield " ".join(answers.CITIES)
        yield from (text.lower() for text in answers.FIXED)
        yield from weather
        yield from (f'{call}"{condition}"}} It is {condition} in' for condition in answers.CONDITIONS)
    for _ in range(1500):
        yield filler.stray_prompt(rng)
        yield corpus.near_miss(rng)
        yield filler.prose(rng, 30)
        yield json.dumps(filler.random_tool(rng))


def save_model(model: Model, directory: Path) -> None:
    """Write model.safetensors (f32), config.json and generation_config.json."""
    mx.save_safetensors(
        str(directory / "model.safetensors"),
        dict(tree_flatten(model.parameters())),
        metadata={"format": "mlx"},
    )
    (directory / "config.json").write_text(json.dumps(training.CONFIG, indent=2) + "\n", encoding="utf-8")
    generation = {"bos_token_id": 0, "eos_token_id": 1, "do_sample": False, "max_new_tokens": 512}
    (directory / "generation_config.json").write_text(
        json.dumps(generation, indent=2) + "\n", encoding="utf-8"
    )


def main() -> int:
    """Build the tokenizer, train, save, verify."""
    parser = argparse.ArgumentParser(
        description="Train the demonstration model and verify it through mlx_lm."
    )
    parser.add_argument("--output", type=Path, default=MODEL_DIRECTORY)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    output: Path = options.output
    mx.random.seed(options.seed)
    save_tokenizer(build_tokenizer(tokenizer_texts(options.seed)), output, training.CONTEXT_TOKENS)
    (output / "config.json").write_text(json.dumps(training.CONFIG, indent=2) + "\n", encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(output)
    model = training.new_model()
    training.train(model, tokenizer, options.seed)
    save_model(model, output)
    return 0 if verify(output) else 1


if __name__ == "__main__":
    sys.exit(main())
