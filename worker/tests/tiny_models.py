"""Tiny real models with random weights, built in milliseconds: no mocks needed to test an engine.

`python -m tests.tiny_models --arch llama --out DIR [--seed N] [--endless]` writes one to disk.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from reduced_models.tokenizer import CHAT_TEMPLATE, MARKERS, is_printable, write_tokenizer
from tests.tiny_architectures import ARCHITECTURES, VOCABULARY_SIZE

__all__ = ["CHAT_TEMPLATE", "MARKERS", "build_model", "write_tokenizer"]


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
        _silence(model, {token for token in range(VOCABULARY_SIZE) if not is_printable(tokenizer, token)})
    mx.eval([value for _, value in tree_flatten(model.parameters())])
    save_model(directory, model, donate_model=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2), "utf-8")
    return directory


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
