"""Continuous batching: the only file that touches mlx_lm's BatchGenerator and its batches.

The stock sampler interface gives a sampler log probabilities without saying whose they are. So the decoding
step is ours: rows carry their request where the library carries a sampler function, and the library's own
bookkeeping (extend when rows join, filter when they leave) keeps it in batch order. The position follows from
the tokens the row has in its KV cache, so it cannot drift; penalties look at the same tokens, so a completion
that goes on from prompt and ids goes on with the same penalties.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any, cast

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, GenerationBatch, PromptProcessingBatch, StopSequences
from mlx_lm.models.cache import KVCache, RotatingKVCache, make_prompt_cache

from lmx_worker.engine.interface import EngineFinish, RowRequest, RowToken, StepResult
from lmx_worker.mlx_engine.evidence import RowEvidence, gather_evidence, pending_arrays
from lmx_worker.mlx_engine.logit_edits import LogitEdits
from lmx_worker.mlx_engine.memory_shapes import leaf_caches
from lmx_worker.mlx_engine.sampling import Sampler

# The constructor would wire as much memory as the device allows; several workers doing so hang a Mac.
# By import_module, because the attribute `generate` of the package is a function of that name.
generate_module: Any = import_module("mlx_lm.generate")
generate_module.maybe_set_recommended_wired_limit = lambda: None


# As the library does between its own steps.
STEPS_PER_TRIM = 512


@dataclass(frozen=True)
class CarriedRow:
    """What travels with a row where the library carries a sampler function."""

    request: RowRequest
    excluded_ids: Sequence[int]  # ids that XTC never takes out; the same for all rows


class RowPlan:
    """Sampler and edits of one set of rows, made once and used until the batch changes."""

    def __init__(self, rows: Sequence[CarriedRow]) -> None:
        self.rows = list(rows)
        self.requests = [row.request for row in rows]
        options = [request.sampling for request in self.requests]
        self.sampler = Sampler(options, rows[0].excluded_ids if rows else ())
        self.edits = LogitEdits(options)

    def fits(self, rows: Sequence[CarriedRow]) -> bool:
        """Whether this is still the plan for the batch."""
        return len(rows) == len(self.rows) and all(a is b for a, b in zip(rows, self.rows, strict=True))


class KeyedGenerationBatch(GenerationBatch):
    """A batch whose step samples every row by its own (seed, position) in one call."""

    samplers: Any  # a CarriedRow for each row
    _plan = RowPlan(())

    def _step(self) -> tuple[list[int], list[Any]]:
        """As the library's step: feed the sampled tokens, start computing the next ones, return the fed ones.

        Log probabilities are not kept (copying them out costs a vocabulary per row); rows that asked for
        something carry a RowEvidence in their place.
        """
        inputs = self._next_tokens
        evidence = self._next_logprobs
        if not self._plan.fits(self.samplers):
            self._plan = RowPlan(self.samplers)
        plan = self._plan
        raw = self.model(inputs[:, None], cache=self.prompt_cache)[:, -1, :]
        logits = plan.edits.apply(raw, self.tokens, inputs)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        # The row's cache holds prompt[:-1] when position 0 is sampled, one token more for each later one.
        positions = [
            len(tokens) + 1 - request.prompt_tokens
            for tokens, request in zip(self.tokens, plan.requests, strict=True)
        ]
        self._next_tokens = plan.sampler(logprobs, positions)
        self._next_logprobs = gather_evidence(raw, self._next_tokens, plan.requests)
        self._current_tokens, self._current_logprobs = inputs, evidence
        mx.async_eval(self._next_tokens, pending_arrays(self._next_logprobs))
        fed = cast("list[int]", inputs.tolist())
        for tokens, token in zip(self.tokens, fed, strict=True):
            tokens.append(token)
        return fed, evidence


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
    """Rows of one model. After an exception out of `step` throw the object away: its rows are damaged.

    XTC never takes out `line_break_ids`, nor the end tokens.
    """

    def __init__(
        self,
        model: Any,
        eos_token_ids: Sequence[int],
        max_rows: int,
        line_break_ids: Sequence[int] = (),
    ) -> None:
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
        # Padding behind a prompt leaves a cache of keys and values again; a state that every token changes
        # keeps it, and many architectures do not mask it there. So rows with such a state are never padded.
        self._even_chunks = not all(
            isinstance(cache, KVCache | RotatingKVCache) for cache in leaf_caches(make_prompt_cache(model))
        )
        self._steps = 0
        # Per row, because a row's stop sequences replace the generator's instead of adding to them.
        self._stops = StopSequences([(token,) for token in eos_token_ids])
        self._spared = (*line_break_ids, *eos_token_ids)

    def insert(self, row: RowRequest) -> int:
        """Queue one row and return its number. One by one: a refused row must not take others with it.

        Raises:
            ValueError: an empty prompt or max_tokens below 1.
        """
        (uid,) = self._generator.insert(
            [row.token_ids],
            [row.max_tokens],
            samplers=cast("list[Any]", [CarriedRow(row, self._spared)]),
            stop_sequences=[self._stops],
        )
        return uid

    def remove(self, row: int) -> None:
        """Drop a row in whatever stage; unknown ones are ignored."""
        self._generator.remove([row])

    def step(self, prefill_chunk: int) -> StepResult:
        """At most `prefill_chunk` tokens for each row in prefill, then one decode step.

        The library decodes first, and takes a step each to begin a prompt, to move it into the batch and to
        give its first token. In this order a prompt of one chunk gives its first token in the step it joins.
        """
        chunk = self._even_chunk(prefill_chunk) if self._even_chunks else prefill_chunk
        generator = self._generator
        with mx.stream(generator._stream):
            self._begin_prompts()
            self._move_read_rows()  # a prompt of a single token has nothing to be read
            started = perf_counter()
            prefilled = self._prefill(chunk)
            seconds = perf_counter() - started
            self._move_read_rows()
            batch = generator._generation_batch
            responses = batch.next() if len(batch) > 0 else []
        self._trim_buffers()
        return StepResult([_row_token(response) for response in responses], prefilled, seconds)

    def _begin_prompts(self) -> None:
        """As many of those that wait as there is room for."""
        generator = self._generator
        taken = len(generator._prompt_batch) + len(generator._generation_batch)
        count = min(generator.completion_batch_size - taken, len(generator._unprocessed_sequences))
        if count > 0:
            generator._prompt_batch.extend(generator._make_batch(count))

    def _prefill(self, chunk: int) -> int:
        """Feed the next chunk of each row in prefill; returns the tokens of all rows together."""
        generator = self._generator
        if not generator._currently_processing:
            return 0
        chunks: list[list[int]] = []
        for row in generator._currently_processing:
            segments = row[0]
            chunks.append(segments[0][:chunk])
            segments[0] = segments[0][chunk:]
            if not segments[0]:
                segments.pop(0)
            row[1] += len(chunks[-1])
        generator._prompt_batch.prefill_step_size = chunk
        generator._prompt_batch.prompt(chunks)
        return sum(map(len, chunks))

    def _move_read_rows(self) -> None:
        """Rows whose prompt is read but for its last token go on in the decoding batch."""
        generator = self._generator
        rows = generator._currently_processing
        read = [index for index, (segments, *_) in enumerate(rows) if len(segments) == len(segments[0]) == 1]
        if not read:
            return
        last = [rows[index][0][0] for index in read]
        generator._currently_processing = [row for index, row in enumerate(rows) if index not in read]
        generator._generation_batch.extend(generator._prompt_batch.split(read).generate(last))

    def _trim_buffers(self) -> None:
        """Now and then give back buffers of sizes that do not come again."""
        self._steps += 1
        if self._steps % STEPS_PER_TRIM == 0:
            mx.clear_cache()

    def _even_chunk(self, chunk: int) -> int:
        """At most `chunk`, and no more tokens than any row in prefill still has before its last one."""
        working = [segments for segments, *_ in self._generator._currently_processing]
        waiting = [segments for _, segments, *_ in self._generator._unprocessed_sequences]
        # A row with a single segment has only its last token left: the next step takes that one.
        return min([chunk, *(len(segments[0]) for segments in (*working, *waiting) if len(segments) > 1)])

    def close(self) -> None:
        """Let go of the caches."""
        self._generator.close()


def _row_token(response: Any) -> RowToken:
    evidence = cast("RowEvidence | None", response.logprobs)
    return RowToken(
        response.uid,
        response.token,
        cast("EngineFinish | None", response.finish_reason),
        evidence.logits_check() if evidence else None,
        evidence.token_logprobs() if evidence else None,
    )
