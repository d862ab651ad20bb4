"""A request's prompt as token ids: chat template, tokeniser, and what the template already opened."""

from typing import Any, Protocol, cast

from lmx_worker.engine.interface import EncodedPrompt
from lmx_worker.failure import RequestFailure, first_line
from lmx_worker.output.text import NORMAL, REASONING
from lmx_worker.prompt.conversation import template_forms, tool_forms
from lmx_worker.prompt.fill import FillTokens, encode_fill
from lmx_worker.wire.commands import FillPrompt, MessagesPrompt, Prompt, TextPrompt, TokenPrompt

# Arguments of the call that renders a template, and functions that templates call. A client that could set
# the first would run its own template. The supervisor has the same list and refuses them before it asks.
RESERVED_TEMPLATE_ARGUMENTS = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "conversations",
        "cycler",
        "dict",
        "documents",
        "joiner",
        "lipsum",
        "max_length",
        "messages",
        "namespace",
        "padding",
        "raise_exception",
        "range",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "sanitize_control_tokens",
        "self",
        "strftime_now",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)
# How far from the end of the prompt a template may open the reasoning.
THINK_TAIL_TOKENS = 16


class Tokenizer(Protocol):
    """The part of mlx_lm's TokenizerWrapper used here."""

    has_chat_template: bool
    has_thinking: bool
    response_initial_state: str | None

    think_start_tokens: tuple[int, ...]

    def apply_chat_template(self, messages: list[dict[str, Any]], **kwargs: Any) -> list[int]:
        """Token ids of a rendered conversation."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        ...

    def decode(self, token_ids: list[int]) -> str:
        """Text of token ids."""
        ...

    def rfind_think_start(self, tokens: list[int]) -> int:
        """Index of the last marker that opens reasoning, -1 when there is none."""
        ...

    def rfind_think_end(self, tokens: list[int]) -> int:
        """Index of the last marker that closes reasoning, -1 when there is none."""
        ...


def encode_prompt(tokenizer: Tokenizer, prompt: Prompt, fill: FillTokens | None) -> EncodedPrompt:
    """Token ids and initial text state. Text gets the special tokens the tokenizer adds by default.

    Raises:
        RequestFailure: invalid_request_error naming what the template or the tokeniser refused,
            unsupported_parameter for a gap the model cannot fill.
    """
    match prompt:
        case MessagesPrompt():
            token_ids = _render(tokenizer, prompt)
            return EncodedPrompt(token_ids, _initial_state(tokenizer, token_ids))
        case TextPrompt(text):
            return EncodedPrompt(
                _guarded("The text cannot be tokenised", lambda: tokenizer.encode(text)), NORMAL
            )
        case FillPrompt():
            if fill is None:
                raise RequestFailure(
                    "unsupported_parameter",
                    "This model has no tokens for filling in the middle; leave out suffix.",
                    param="suffix",
                )
            return EncodedPrompt(
                _guarded("The text cannot be tokenised", lambda: encode_fill(tokenizer, fill, prompt)), NORMAL
            )
        case TokenPrompt(ids):
            return EncodedPrompt(list(ids), NORMAL)


def _render(tokenizer: Tokenizer, prompt: MessagesPrompt) -> list[int]:
    if not tokenizer.has_chat_template:
        raise RequestFailure(
            "invalid_request_error",
            "This model has no chat template; send a text prompt to /v1/completions instead.",
        )
    reserved = sorted(RESERVED_TEMPLATE_ARGUMENTS & set(prompt.chat_template_kwargs))
    if reserved:
        raise RequestFailure(
            "unsupported_parameter",
            f"chat_template_kwargs.{reserved[0]}: this argument is set by the server; leave it out.",
            param=f"chat_template_kwargs.{reserved[0]}",
        )
    return _guarded(
        "The model's chat template refused the conversation", lambda: _apply_template(tokenizer, prompt)
    )


def _apply_template(tokenizer: Tokenizer, prompt: MessagesPrompt) -> list[int]:
    def render(messages: list[dict[str, Any]], tools: list[Any]) -> list[int]:
        return tokenizer.apply_chat_template(
            messages,
            tools=tools or None,
            add_generation_prompt=True,
            tokenize=True,
            **prompt.chat_template_kwargs,
        )

    forms = (
        (messages, tools)
        for tools in tool_forms(prompt.tools)
        for messages in template_forms(prompt.messages)
    )
    refused: Exception | None = None
    for form in forms:
        try:
            return render(*form)
        except RequestFailure:  # it ran into a bound, and the other forms are as much
            raise
        except Exception as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _guarded(what: str, encode: Any) -> list[int]:
    try:
        token_ids = encode()
    except RequestFailure:
        raise
    except Exception as error:  # templates run the model author's code: any exception is the prompt's answer
        error_type = getattr(error, "error_type", type(error).__name__)
        raise RequestFailure(
            "invalid_request_error", f"{what}: {first_line(error)}", error_type=error_type
        ) from error
    return cast("list[int]", list(token_ids))


def _initial_state(tokenizer: Tokenizer, token_ids: list[int]) -> str:
    if tokenizer.response_initial_state:
        return tokenizer.response_initial_state
    if not tokenizer.has_thinking:
        return NORMAL
    tail = token_ids[-THINK_TAIL_TOKENS:]
    opened = tokenizer.rfind_think_start(tail)
    if opened < 0 or tokenizer.rfind_think_end(tail) > opened:
        return NORMAL
    # A user may write the marker too: only one with nothing but white space behind it counts.
    behind = tail[opened + len(tokenizer.think_start_tokens) :]
    return NORMAL if tokenizer.decode(behind).strip() else REASONING
