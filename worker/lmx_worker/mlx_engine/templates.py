"""Which chat templates are rendered in a process of their own, and how a tokenizer comes to do it."""

from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper
from transformers import PreTrainedTokenizerBase

from lmx_worker.prompt.renderer import Renderer


def is_program(tokenizer: TokenizerWrapper) -> bool:
    """Whether conversations are rendered by a Jinja template that came with the model.

    Otherwise it is Python of mlx_lm, of transformers or of a trusted model: that stays where it is, and takes
    time in proportion to what it is given.
    """
    inner = type(tokenizer._tokenizer)
    return (
        tokenizer.has_chat_template
        and tokenizer._chat_template is None
        and inner.apply_chat_template is PreTrainedTokenizerBase.apply_chat_template
    )


def render_with(tokenizer: TokenizerWrapper, renderer: Renderer) -> None:
    """Have this tokenizer render elsewhere; arguments and tokenising stay as the libraries have them."""
    inner: Any = tokenizer._tokenizer

    def apply_chat_template(
        conversation: list[dict[str, Any]], *, tokenize: bool, return_dict: bool, **arguments: Any
    ) -> list[int]:
        assert tokenize and not return_dict
        template = inner.get_chat_template(tools=arguments.get("tools"))
        text = renderer.render(template, conversation, {**inner.special_tokens_map, **arguments})
        return inner(text, add_special_tokens=False)["input_ids"]

    inner.apply_chat_template = apply_chat_template
