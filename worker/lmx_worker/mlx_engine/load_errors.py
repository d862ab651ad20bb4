"""What a failed load means: exceptions of mlx_lm, mlx and transformers as codes of shared/errors.ts."""

from lmx_worker.failure import RequestFailure, first_line

# Substrings of messages that say more than the exception's type; first match wins.
BY_TEXT: tuple[tuple[str, str], ...] = (
    ("trust_remote_code", "model_unsupported_arch"),
    ("custom code", "model_unsupported_arch"),
    ("requires importing and running a custom module", "model_unsupported_arch"),
    ("not supported.", "model_unsupported_arch"),
    ("has no attribute 'Model'", "model_unsupported_arch"),
    ("has no attribute 'ModelArgs'", "model_unsupported_arch"),
    ("No module named 'mlx_lm.tool_parsers", "model_unsupported_arch"),
    ("No module named 'mlx_lm.chat_templates", "model_unsupported_arch"),
    ("No Metal back-end", "model_unsupported_backend"),
    ("compressed-tensors format", "model_unsupported_backend"),
    ("quant_algo", "model_unsupported_backend"),
    ("Cannot infer the quantization mode", "model_unsupported_backend"),
    ("does not support activation quantization", "model_unsupported_backend"),
)


def load_failure(error: BaseException, phase: str) -> RequestFailure:
    """The answer to a load that raised `error` while in `phase`.

    An architecture module that exits or needs an extra package is an unsupported architecture; everything
    else the files can cause is an incomplete model, and the message names what was found.
    """
    text = first_line(error)
    word = next((word for pattern, word in BY_TEXT if pattern in str(error)), None)
    if word is None:
        word = "model_unsupported_arch" if isinstance(error, SystemExit | ImportError) else "model_incomplete"
    return RequestFailure(
        word, f"Loading the {phase} failed: {text}", error_type=type(error).__name__, detail=str(error)[:2000]
    )
