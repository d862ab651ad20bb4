"""Checks of a prepared request against the loaded model, before the engine sees it."""

from lmx_worker.engine.cache_budget import CacheBudget, row_bytes
from lmx_worker.engine.interface import ModelFacts
from lmx_worker.failure import RequestFailure
from lmx_worker.prompt.prompt_size import SHORTEN, context_exceeded
from lmx_worker.wire.commands import Sampling


def check_prompt(token_ids: list[int], facts: ModelFacts) -> None:
    """Refuse an empty prompt, ids the model has no row for, and a prompt that fills the context.

    An id outside the vocabulary reads foreign memory in the engine.
    """
    if not token_ids:
        raise RequestFailure("invalid_request_error", "The prompt is empty.", param="prompt")
    wrong = next((token for token in token_ids if not 0 <= token < facts.vocab_size), None)
    if wrong is not None:
        raise RequestFailure(
            "invalid_request_error",
            f"Token id {wrong} is outside the model's vocabulary of {facts.vocab_size}.",
            param="prompt",
        )
    if len(token_ids) >= facts.context_tokens:
        raise context_exceeded(f"{len(token_ids)} tokens", facts, prompt_tokens=len(token_ids))


def check_sampling(sampling: Sampling, facts: ModelFacts) -> None:
    """Refuse a bias for an id the model does not have: it corrupts the engine's memory."""
    wrong = next((token for token in sampling.logit_bias if token >= facts.vocab_size), None)
    if wrong is not None:
        raise RequestFailure(
            "invalid_request_error",
            f"Token id {wrong} in logit_bias is outside the model's vocabulary of {facts.vocab_size}.",
            param="logit_bias",
        )


def fit_max_tokens(
    wanted: int | None, prompt_tokens: int, facts: ModelFacts, cache: CacheBudget | None
) -> int:
    """Completion limit that context and caches can hold; None asks for as much as they do.

    Raises:
        RequestFailure: context_length_exceeded, when the request would not fit with all the caches to itself.
    """
    room = facts.context_tokens - prompt_tokens
    limit = room if wanted is None else min(wanted, room)
    if cache is None or cache.holds(1, prompt_tokens + limit):
        return limit
    fitting = cache.longest_row(facts.context_tokens)
    if wanted is None and fitting > prompt_tokens:
        return fitting - prompt_tokens
    raise _too_much_cache(wanted, prompt_tokens, limit if wanted is not None else 1, fitting, cache)


def _too_much_cache(
    wanted: int | None, prompt_tokens: int, limit: int, fitting: int, cache: CacheBudget
) -> RequestFailure:
    needed = row_bytes(cache.caches, prompt_tokens + limit)
    shorter = "lower max_tokens" if wanted is not None and fitting > prompt_tokens else SHORTEN
    return RequestFailure(
        "context_length_exceeded",
        f"This model's maximum context length is {fitting} tokens with the memory it may use: "
        f"{prompt_tokens} tokens of prompt and {limit} of completion need {needed} bytes of cache, "
        f"and it may use {cache.total_bytes}. Please {shorter}.",
        param="max_tokens" if shorter == "lower max_tokens" else "prompt",
        prompt_tokens=prompt_tokens,
        needed_bytes=needed,
        available_bytes=cache.total_bytes,
        fitting_tokens=fitting,
    )
