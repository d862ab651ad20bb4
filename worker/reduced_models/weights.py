"""Random weights whose greedy answers are visible text."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map_with_path, tree_unflatten
from tokenizers import Tokenizer

from reduced_models.tokenizer import is_printable

# Wider than the default initialisation: with flat logits everything would be a near-tie.
SPREAD = 0.25
LOUD, QUIET = 3.0, 0.0
# A tied head is the embedding too: small, or each token is followed by itself; not zero, or control tokens
# are all one.
LOUD_TIED, QUIET_TIED = 0.25, 0.01


def parameters_of(model: nn.Module) -> dict[str, mx.array]:
    """All parameters by path."""
    return {path: value for path, value in tree_flatten(model.parameters()) if isinstance(value, mx.array)}


def randomise(model: nn.Module) -> None:
    """Redraw all matrices, packed ones too; vectors (norms, biases, decay rates) stay as initialised."""

    def draw(_: str, value: mx.array) -> mx.array:
        if value.ndim < 2:
            return value
        if not mx.issubdtype(value.dtype, mx.floating):
            return mx.random.randint(0, 256, value.shape).astype(value.dtype)
        return (mx.random.normal(value.shape) * SPREAD).astype(value.dtype)

    model.update(tree_map_with_path(draw, model.parameters()))


def speak_visibly(model: nn.Module, tokenizer: Tokenizer, vocabulary_size: int) -> None:
    """Make the rows of printable tokens loud and all others quiet in the head, so greedy answers are text."""
    embeddings = _embedding_paths(model)
    heads = _heads(model, embeddings, vocabulary_size)
    for path, rows in heads.items():
        loud, quiet = (LOUD_TIED, QUIET_TIED) if path in embeddings else (LOUD, QUIET)
        scale = [loud if is_printable(tokenizer, token) else quiet for token in range(vocabulary_size)]
        heads[path] = rows * mx.array(scale)[:, None].astype(rows.dtype)
    model.update(tree_unflatten(list(heads.items())))


def _heads(model: nn.Module, embeddings: set[str], vocabulary_size: int) -> dict[str, mx.array]:
    """The matrices that make logits: every other one with a row per token, else the tied embedding."""
    matrices = {
        path: value
        for path, value in parameters_of(model).items()
        if value.ndim == 2 and value.shape[0] == vocabulary_size
    }
    return {path: value for path, value in matrices.items() if path not in embeddings} or matrices


def _embedding_paths(model: nn.Module) -> set[str]:
    return {f"{path}.weight" for path, module in model.named_modules() if isinstance(module, nn.Embedding)}
