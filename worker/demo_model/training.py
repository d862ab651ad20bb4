"""Architecture, batches and the optimisation loop.

The last turn is all this model can understand, so its shape makes it look at nothing else: the first layer,
which attends to everything because mlx_lm's llama wants one that does, keeps an output projection of zero,
and the others see a sliding window. A prompt of tens of thousands of tokens then reads like its end.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_map
from mlx_lm.models.llama import Model, ModelArgs

from .corpus import Conversation, make_conversation
from .tokenizer import ASSISTANT, END, VOCABULARY_SIZE

CONTEXT_TOKENS = 32768
WINDOW_TOKENS = 96
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 24,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": CONTEXT_TOKENS,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
    "sliding_window": WINDOW_TOKENS,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}
_STORY_ROWS = (400, 4)
_STORY_EVERY = 7
_FIRST_TOKENS_WEIGHT = 4.0
_COPIED_WEIGHT = 4.0
_STORY_WEIGHT = 0.5


@dataclass(frozen=True)
class Phase:
    """A part of the training with its own warm-up and decay.

    `rows` are (tokens, rows of a batch), one drawn per step; `rate` scales the learning rates;
    `longest_system` is in words.
    """

    steps: int
    rows: tuple[tuple[int, int], ...]
    rate: float
    longest_system: int


#: Short rows first, because they are cheap; then the same with longer text before the last turn.
PHASES = (
    Phase(700, ((96, 28),), 1.0, 16),
    Phase(320, ((96, 24), (224, 10)), 0.6, 80),
    Phase(420, ((112, 22), (112, 22), (224, 10)), 0.6, 80),
)
_MUON_RATE = 0.02
_ADAM_RATE = 5e-3

#: ids [tokens] and loss weight of each; the weights of a row sum to 1.
Row = tuple[list[int], list[float]]


def new_model() -> Model:
    """A llama with small random weights (f32) whose first layer attends to nothing."""
    known = ModelArgs.__dataclass_fields__
    model = Model(ModelArgs(**{key: value for key, value in CONFIG.items() if key in known}))
    model.update(
        tree_map(lambda w: w if w.ndim < 2 else mx.random.normal(w.shape) * 0.08, model.parameters())
    )
    _close_first_layer(model)
    return model


def _close_first_layer(model: Model) -> None:
    projection = model.model.layers[0].self_attn.o_proj
    projection.weight = mx.zeros_like(projection.weight)


def make_row(rng: random.Random, tokenizer: Any, length: int, story: bool, longest_system: int) -> Row:
    """A random conversation that fits into `length` tokens, padded to it."""
    while True:
        talk = make_conversation(rng, story, longest_system)
        text = tokenizer.apply_chat_template(talk.messages, tools=talk.tools or None, tokenize=False)
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        if len(ids) <= length:
            weights = _answer_weights(ids, talk, tokenizer, story)
            pad = length - len(ids)
            return ids + [tokenizer.convert_tokens_to_ids(END)] * pad, weights + [0.0] * pad


def _answer_weights(ids: list[int], talk: Conversation, tokenizer: Any, story: bool) -> list[float]:
    """Loss weights: learned answers with their end token; first tokens and what is copied count more."""
    assistant, end = tokenizer.convert_tokens_to_ids(ASSISTANT), tokenizer.convert_tokens_to_ids(END)
    copied = {token for text in talk.copied for token in tokenizer.encode(text, add_special_tokens=False)}
    learn, weights, inside, start = iter(talk.learn), [0.0] * len(ids), False, 0
    for index, token in enumerate(ids):
        if inside:
            plain = _STORY_WEIGHT if story else 1.0
            weights[index] = (
                _FIRST_TOKENS_WEIGHT if index - start <= 2 else _COPIED_WEIGHT if token in copied else plain
            )
            inside = token != end
        elif token == assistant:
            inside, start = next(learn), index
    total = sum(weights)
    return [weight / total for weight in weights]


def batch_loss(model: Model, rows: list[Row]) -> mx.array:
    """Mean over the rows of their weighted cross-entropy (nats)."""
    length = len(rows[0][0]) - 1
    learned = [(r, i) for r, (_, weights) in enumerate(rows) for i, w in enumerate(weights) if i and w]
    places = mx.array([r * length + i - 1 for r, i in learned])
    targets = mx.array([rows[r][0][i] for r, i in learned])
    weights = mx.array([rows[r][1][i] for r, i in learned])
    h = model.model.embed_tokens(mx.array([ids[:-1] for ids, _ in rows]))
    mask = window_mask(length)
    for number, layer in enumerate(model.model.layers):
        if number > 0:
            h = h + layer.self_attn(layer.input_layernorm(h), mask, None)
        h = h + layer.mlp(layer.post_attention_layernorm(h))
    flat = model.model.norm(h).reshape(-1, h.shape[-1])[places]
    losses = nn.losses.cross_entropy(model.model.embed_tokens.as_linear(flat), targets)
    return (losses * weights).sum() / len(rows)


def window_mask(length: int) -> mx.array:
    """Additive mask [length, length]: each position sees itself and the WINDOW_TOKENS - 1 before it."""
    place = mx.arange(length)
    behind = place[:, None] - place[None, :]
    return mx.where((behind >= 0) & (behind < WINDOW_TOKENS), 0.0, -1e9)


def make_optimizer(phase: Phase) -> optim.Optimizer:
    """Muon for the matrices of the layers, AdamW for embedding and norms; warm-up, then a cosine."""

    def rate(peak: float) -> Callable[[mx.array], mx.array]:
        def at(step: mx.array) -> mx.array:
            cosine = 0.5 * (1 + mx.cos(math.pi * mx.minimum(step / phase.steps, 1.0)))
            return phase.rate * peak * mx.minimum((step + 1) / 50, 1.0) * (0.02 + 0.98 * cosine)

        return at

    # Its weight decay enters before the orthogonalisation and would shrink idle matrices to nothing.
    muon = optim.Muon(rate(_MUON_RATE), weight_decay=0.0)
    adam = optim.AdamW(rate(_ADAM_RATE), betas=[0.9, 0.98], weight_decay=0.0)
    return optim.MultiOptimizer([muon, adam], [lambda path, w: w.ndim == 2 and "embed" not in path])


def train(model: Model, tokenizer: Any, seed: int, report: Callable[[str], None] = print) -> None:
    """Optimise `model` in place through all phases; rows depend on `seed` only."""
    rng = random.Random(seed)
    started = time.monotonic()
    for number, phase in enumerate(PHASES, start=1):
        optimizer, step = make_optimizer(phase), nn.value_and_grad(model, batch_loss)
        for count in range(1, phase.steps + 1):
            story = count % _STORY_EVERY == 0
            length, size = _STORY_ROWS if story else rng.choice(phase.rows)
            rows = [make_row(rng, tokenizer, length, story, phase.longest_system) for _ in range(size)]
            loss, gradients = step(model, rows)
            gradients, _ = optim.clip_grad_norm(gradients, 1.0)
            optimizer.update(model, gradients)
            _close_first_layer(model)
            mx.eval(model.parameters(), optimizer.state, loss)
            if count % 50 == 0:
                seconds = time.monotonic() - started
                report(f"phase {number}  step {count}/{phase.steps}  {loss.item():.4f} nats  {seconds:.0f} s")
