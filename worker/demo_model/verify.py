"""Check a model directory through mlx_lm: `python -m demo_model.verify` from the worker folder.

Prints the share of right answers of each group; status 1 when one is below what it has to be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mlx_lm import batch_generate, load

from .cases import Case, prompt_cases, unknown_cases, weather_cases

SIZE_LIMIT_BYTES = 2_000_000
_MAX_TOKENS = 400
#: A tiny model guesses on wording it never saw; what the tests rest on is tested word for word beside this.
GROUPS = {
    "fixed prompts": (prompt_cases, 0.97),
    "weather": (weather_cases, 0.97),
    "unknown prompts": (unknown_cases, 0.8),
}


class LoadedModel:
    """A model directory loaded by mlx_lm."""

    def __init__(self, directory: Path) -> None:
        loaded: Any = load(str(directory))
        self.model, self.tokenizer = loaded[0], loaded[1]

    def answers(self, cases: list[Case], rows: int = 32) -> list[str]:
        """Greedy answers of mlx_lm's batch generator, `rows` requests of similar length at a time."""
        prompts = [
            self.tokenizer.apply_chat_template(
                case.messages, tools=case.tools or None, add_generation_prompt=True
            )
            for case in cases
        ]
        order = sorted(range(len(cases)), key=lambda index: len(prompts[index]))
        texts = [""] * len(cases)
        for start in range(0, len(order), rows):
            part = order[start : start + rows]
            batch = batch_generate(
                self.model, self.tokenizer, [prompts[i] for i in part], max_tokens=_MAX_TOKENS
            )
            for index, text in zip(part, batch.texts, strict=True):
                texts[index] = text
        return texts

    def wrong(self, cases: list[Case]) -> list[tuple[str, str]]:
        """Last message and answer of every case that is not answered as it should be."""
        pairs = zip(cases, self.answers(cases), strict=True)
        return [(str(case.messages[-1]["content"]), text) for case, text in pairs if text != case.expected]


def verify(directory: Path) -> bool:
    """Print a line per group; whether every group and the size are as they have to be."""
    model, fine = LoadedModel(directory), True
    for name, (make, needed) in GROUPS.items():
        cases = make()
        wrong = model.wrong(cases)
        share = 1 - len(wrong) / len(cases)
        print(f"{name}: {len(cases) - len(wrong)}/{len(cases)} right, {needed:.0%} needed")
        for question, answer in wrong[:5]:
            print(f"  {question[:60]!r} -> {answer[:80]!r}")
        fine = fine and share >= needed
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"size: {size} bytes, at most {SIZE_LIMIT_BYTES}")
    return fine and size <= SIZE_LIMIT_BYTES


def main() -> int:
    """Verify the directory named on the command line, or the embedded model."""
    parser = argparse.ArgumentParser(description="Check the demonstration model through mlx_lm.")
    parser.add_argument("directory", type=Path, nargs="?", default=Path(__file__).with_name("model"))
    return 0 if verify(parser.parse_args().directory) else 1


if __name__ == "__main__":
    sys.exit(main())
