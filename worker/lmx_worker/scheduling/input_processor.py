"""A prepared prompt and its command, checked against the model, as a row for the engine and its reader."""

import json
from dataclasses import dataclass
from typing import Any, assert_never

from lmx_worker.engine.cache_budget import CacheBudget
from lmx_worker.engine.interface import EncodedPrompt, LoadedModel, RowRequest
from lmx_worker.failure import RequestFailure
from lmx_worker.output.bare_calls import BareCallMachine
from lmx_worker.output.harmony import HarmonyMachine
from lmx_worker.output.stops import StopMatcher
from lmx_worker.output.text import NORMAL, TextFormat, TextMachine
from lmx_worker.scheduling.canary import CanaryRun
from lmx_worker.scheduling.completion import Completion, Machine
from lmx_worker.scheduling.limits import check_prompt, fit_max_tokens
from lmx_worker.scheduling.token_report import TokenReport
from lmx_worker.wire.commands import Canary, FillPrompt, Generate, MessagesPrompt, Prompt, TextPrompt

# The answer to `generate` is one line of at most 8 MiB.
MAX_PROMPT_TEXT_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True)
class Admitted:
    """`answer` is the result of `generate`; a canary is answered at its end."""

    row: RowRequest
    sink: Completion | CanaryRun
    answer: dict[str, Any] | None


def admit_prompt(
    call_id: int | str,
    command: Generate | Canary,
    prompt: EncodedPrompt,
    model: LoadedModel,
    cache: CacheBudget | None,
) -> Admitted:
    """What the engine gets and who reads its tokens.

    Raises:
        RequestFailure: the prompt does not fit the model or the memory for its caches.
    """
    length = len(prompt.token_ids)
    check_prompt(prompt.token_ids, model.facts)
    max_tokens = fit_max_tokens(command.max_tokens, length, model.facts, cache)
    match command:
        case Generate():
            row = RowRequest(
                prompt.token_ids, length, max_tokens, command.sampling, logprobs=command.logprobs is not None
            )
            answer: dict[str, Any] = {
                "prompt_tokens": length,
                "max_tokens": max_tokens,
                "seed": command.sampling.seed,
            }
            if command.return_prompt:
                answer["prompt_text"] = _prompt_text(command, prompt, model)
            return Admitted(row, _completion(command, prompt, model), answer)
        case Canary():
            row = RowRequest(prompt.token_ids, length, max_tokens, inspect_logits=True)
            return Admitted(row, CanaryRun(call_id, model.codec.detokenizer()), None)
        case _:
            assert_never(command)


def _completion(command: Generate, prompt: EncodedPrompt, model: LoadedModel) -> Completion:
    codec = model.codec
    continues = () if isinstance(command.prompt, MessagesPrompt) else prompt.token_ids
    report = None if command.logprobs is None else TokenReport(codec.token_bytes, command.logprobs)
    return Completion(
        command.request_id,
        len(prompt.token_ids),
        codec.detokenizer(continues),
        _text_machine(command.prompt, prompt.initial_state, codec.text_format),
        StopMatcher(command.stop),
        report,
    )


def _text_machine(prompt: Prompt, initial_state: str, text_format: TextFormat) -> Machine:
    """Markers mean something in the answer to a conversation; whatever goes on a text is text."""
    if not isinstance(prompt, MessagesPrompt):
        return TextMachine(TextFormat(), NORMAL, ())
    if text_format.harmony:
        return HarmonyMachine(prompt.tools)
    if prompt.tools and text_format.bare_calls:
        return BareCallMachine(text_format, initial_state, prompt.tools)
    return TextMachine(text_format, initial_state, prompt.tools)


def _prompt_text(command: Generate, prompt: EncodedPrompt, model: LoadedModel) -> str:
    """The text as it was sent; of a conversation or token ids, what the ids decode to."""
    match command.prompt:
        case TextPrompt(text) | FillPrompt(prefix=text):
            pass
        case _:
            text = model.codec.decode(prompt.token_ids)
    if len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) > MAX_PROMPT_TEXT_BYTES:
        raise RequestFailure(
            "invalid_request_error",
            f"The prompt is longer than the {MAX_PROMPT_TEXT_BYTES} bytes that can be echoed.",
            param="echo",
        )
    return text
