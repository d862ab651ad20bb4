"""Continuous batching: the only file that touches mlx_lm's BatchGenerator and its batches.

The stock sampler interface gives a sampler log probabilities without saying whose they are. So the decoding
step is ours: rows carry a RowSampling where the library carries a sampler function, and the library's own
bookkeeping (extend when rows join, filter when they leave) keeps it in batch order. The position follows from
the tokens the row has in its KV cache, so it cannot drift.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, GenerationBatch, PromptProcessingBatch, StopSequences

from lmx_worker.engine import EngineFinish, LogitsCheck, RowRequest, RowToken, StepResult
from lmx_worker.mlx_engine.sampling import RowSampling, logits_evidence, sample

# The constructor would wire as much memory as the device allows; several workers doing so hang a Mac.
# By import_module, because the attribute `generate` of the package is a function of that name.
generate_module: Any = import_module("mlx_lm.generate")
generate_module.maybe_set_recommended_wired_limit = lambda: None


class KeyedGenerationBatch(GenerationBatch):
    """A batch whose step samples every row by its own (seed, position) in one call."""

    samplers: Any  # a RowSampling for each row
    logits_processors: Any  # a sequence of processors for each row

    def _step(self) -> tuple[list[int], list[Any]]:
        """As the library's step: feed the sampled tokens, start computing the next ones, return the fed ones.

        Log probabilities are not kept (copying them out costs a vocabulary per row); rows that asked for it
        carry evidence about their logits in their place.
        """
        inputs = self._next_tokens
        evidence = self._next_logprobs
        logits = self.model(inputs[:, None], cache=self.prompt_cache)[:, -1, :]
        logits = self._process(logits, inputs)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        # The row's cache holds prompt[:-1] when position 0 is sampled, one token more for each later one.
        positions = [
            len(tokens) + 1 - row.prompt_tokens
            for tokens, row in zip(self.tokens, self.samplers, strict=True)
        ]
        self._next_tokens = sample(logprobs, self.samplers, positions)
        self._next_logprobs = self._evidence(logits)
        self._current_tokens, self._current_logprobs = inputs, evidence
        mx.async_eval(self._next_tokens, [item for item in self._next_logprobs if item is not None])
        fed = cast("list[int]", inputs.tolist())
        for tokens, token in zip(self.tokens, fed, strict=True):
            tokens.append(token)
        return fed, evidence

    def _process(self, logits: mx.array, inputs: mx.array) -> mx.array:
        """Logits processors, for the rows that have some."""
        if not any(self.logits_processors):
            return logits
        rows = []
        for index, processors in enumerate(self.logits_processors):
            row = logits[index : index + 1]
            if processors:
                context = self._token_context[index].update_and_fetch(inputs[index : index + 1])
                for processor in processors:
                    row = processor(context, row)
            rows.append(row)
        return mx.concatenate(rows, axis=0)

    def _evidence(self, logits: mx.array) -> list[Any]:
        if not any(row.inspect_logits for row in self.samplers):
            return [None] * len(self.samplers)
        checks = logits_evidence(logits)
        return [checks[index] if row.inspect_logits else None for index, row in enumerate(self.samplers)]


class KeyedPromptBatch(PromptProcessingBatch):
    """Prompts in prefill whose rows go on in a KeyedGenerationBatch."""

    def generate(self, tokens: list[list[int]]) -> GenerationBatch:
        """The batch that continues these rows; `tokens` holds each row's last prompt token."""
        return KeyedGenerationBatch(
            self.model,
            self.uids,
            mx.array([last for (last,) in tokens]),
            self.prompt_cache,
            self.tokens,
            self.samplers,
            self.fallback_sampler,
            self.logits_processors,
            self.stop_sequences,
            self.max_tokens,
        )


class Batch:
    """Rows of one model. After an exception out of `step` throw the object away: its rows are damaged."""

    def __init__(self, model: Any, eos_token_ids: Sequence[int], max_rows: int) -> None:
        generator = BatchGenerator(
            model,
            completion_batch_size=max_rows,
            # How many prompts share a prefill is the scheduler's decision: everything inserted may start.
            prefill_batch_size=max_rows,
        )
        generator._prompt_batch = KeyedPromptBatch.empty(
            model, generator.sampler, generator.prefill_step_size
        )
        generator._generation_batch = KeyedGenerationBatch.empty(model, generator.sampler)
        self._generator = generator
        # Per row, because a row's stop sequences replace the generator's instead of adding to them.
        self._stops = StopSequences([(token,) for token in eos_token_ids])

    def insert(self, row: RowRequest) -> int:
        """Queue one row and return its number. One by one: a refused row must not take others with it.

        Raises:
            ValueError: an empty prompt or max_tokens below 1.
        """
        sampling = RowSampling(row.temperature, row.top_p, row.seed, row.prompt_tokens, row.inspect_logits)
        (uid,) = self._generator.insert(
            [row.token_ids],
            [row.max_tokens],
            samplers=cast("list[Any]", [sampling]),
            stop_sequences=[self._stops],
        )
        return uid

    def remove(self, row: int) -> None:
        """Drop a row in whatever stage; unknown ones are ignored."""
        self._generator.remove([row])

    def step(self, prefill_chunk: int) -> StepResult:
        """One decode step, then at most `prefill_chunk` tokens for each row in prefill."""
        self._generator.prefill_step_size = prefill_chunk
        self._generator._prompt_batch.prefill_step_size = prefill_chunk
        with self._generator.stats() as stats:
            _, responses = self._generator.next()
        tokens = [
            RowToken(
                response.uid,
                response.token,
                cast("EngineFinish | None", response.finish_reason),
                _logits_check(response.logprobs),
            )
            for response in responses
        ]
        return StepResult(tokens, stats.prompt_tokens, stats.prompt_time)

    def close(self) -> None:
        """Let go of the caches."""
        self._generator.close()


def _logits_check(evidence: mx.array | None) -> LogitsCheck | None:
    if evidence is None:
        return None
    finite, constant = cast("list[bool]", evidence.tolist())
    return LogitsCheck(finite, constant)
