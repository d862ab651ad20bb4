"""MlxEngine: the Engine of engine.py on top of mlx and mlx_lm. Main thread only."""

import gc
import sys
from collections.abc import Callable
from typing import Any

from lmx_worker.confinement import confine_process
from lmx_worker.engine.interface import (
    Inspection,
    LoadedModel,
    LoadProgress,
    MemoryFacts,
    RowRequest,
    RuntimeFacts,
    StepResult,
)
from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.runtime import import_runtime, runtime_versions
from lmx_worker.wire.commands import Inspect, Load

# Buffers kept for reuse; unbounded by default on Metal.
CACHE_LIMIT_BYTES = 2 * 1024**3


class MlxEngine:
    """Imports the runtime when it is made: a spare process has paid for it before a model is wanted."""

    def __init__(self) -> None:
        self._import_failure: RequestFailure | None = None
        self._model: Any = None
        self._batch: Any = None
        self._codec: Any = None
        self._eos: tuple[int, ...] = ()
        self._line_break: tuple[int, ...] = ()
        self._max_rows = 1
        try:
            import_runtime()
        except RequestFailure as failure:
            self._import_failure = failure

    def initialize(self) -> RuntimeFacts:
        """Versions and device. Raises RequestFailure when the import or the check of signatures failed."""
        if self._import_failure is not None:
            raise self._import_failure
        import mlx.core as mx

        mx.set_cache_limit(CACHE_LIMIT_BYTES)
        device = "gpu" if mx.default_device().type == mx.DeviceType.gpu else "cpu"
        return RuntimeFacts(runtime_versions(), device)

    def inspect(self, request: Inspect) -> Inspection:
        """Check a model without its weights, within bounds that stay. Raises RequestFailure."""
        from lmx_worker.mlx_engine.inspect import inspect_model

        confine_process()
        return inspect_model(request)

    def load(self, request: Load, progress: Callable[[LoadProgress], None]) -> LoadedModel:
        """Read the model and prove the path, with one token and with several rows. Raises RequestFailure."""
        from lmx_worker.mlx_engine.codec import MlxCodec
        from lmx_worker.mlx_engine.load import read_model

        loaded = read_model(request, progress)
        progress(LoadProgress("warmup", loaded.weight_bytes, loaded.weight_bytes))
        self._model, self._eos, self._max_rows = (
            loaded.model,
            loaded.facts.eos_token_ids,
            request.max_concurrency,
        )
        codec = MlxCodec(loaded.tokenizer)
        self._codec = codec
        codec.isolate_template(loaded.facts)
        self._line_break = codec.line_break_ids
        self.rebuild()
        self._limit_rows(loaded.facts.vocab_size)
        return LoadedModel(loaded.facts, codec, self._max_rows)

    def insert(self, row: RowRequest) -> int:
        """Queue a row and return its number."""
        return self._batch.insert(row)

    def remove(self, row: int) -> None:
        """Drop a row in whatever stage; unknown ones are ignored."""
        self._batch.remove(row)

    def step(self, prefill_chunk: int) -> StepResult:
        """One decode step, then prompt work. After an exception call `rebuild`."""
        return self._batch.step(prefill_chunk)

    def rebuild(self) -> None:
        """A fresh batch, proven with one token."""
        from lmx_worker.mlx_engine.batch import Batch

        self._batch = None
        gc.collect()
        batch = Batch(self._model, self._eos, self._max_rows, self._line_break)
        batch.insert(RowRequest(token_ids=[0, 0], prompt_tokens=2, max_tokens=1))
        while not batch.step(prefill_chunk=8).tokens:
            pass
        self._batch = batch

    def _limit_rows(self, vocab_size: int) -> None:
        """One row at a time for a model that cannot do more: two requests at once would fail every time."""
        from lmx_worker.mlx_engine.batch import Batch
        from lmx_worker.mlx_engine.shared_batch import why_single_row

        if self._max_rows == 1:
            return
        reason = why_single_row(self._model, lambda: Batch(self._model, (), self._max_rows), vocab_size)
        if reason is None:
            return
        print(f"This model gets one row at a time: {reason}", file=sys.stderr, flush=True)
        self._max_rows = 1
        self.rebuild()

    def memory(self) -> MemoryFacts:
        """Bytes as mlx counts them."""
        import mlx.core as mx

        return MemoryFacts(mx.get_active_memory(), mx.get_peak_memory(), mx.get_cache_memory())

    def close(self) -> None:
        """Drop rows, caches and model and hand the memory back to the system."""
        if self._import_failure is not None:
            return
        import mlx.core as mx

        if self._codec is not None:
            self._codec.close()
        if self._batch is not None:
            self._batch.close()
        self._batch = self._model = self._codec = None
        gc.collect()
        mx.synchronize()
        mx.clear_cache()
        mx.synchronize()
