"""The adapter against the real library: exactness, and every trap its rules are there for."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.generate import StopSequences, generate_step
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

from lmx_worker.engine.interface import RowRequest, RowToken
from lmx_worker.mlx_engine.batch import Batch
from lmx_worker.mlx_engine.sampling import Sampler
from lmx_worker.wire.commands import Sampling
from tests.tiny_models import build_model

PROMPTS = [[5 + i * 3 + j for j in range(length)] for i, length in enumerate([1, 2, 9, 40, 3, 17, 130, 6])]


@pytest.fixture(scope="module", params=["llama", "gemma3_text", "mamba2"])
def model(request: pytest.FixtureRequest, models: Path) -> Any:
    return load_model(build_model(models / f"batch-{request.param}", request.param, endless=True))[0]


@pytest.fixture(scope="module")
def llama_model(models: Path) -> Any:
    return load_model(build_model(models / "batch-only-llama", endless=True))[0]


@dataclass
class Run:
    """Drives a batch and collects each row's tokens."""

    batch: Batch
    tokens: dict[int, list[int]] = field(default_factory=dict)
    finishes: dict[int, str] = field(default_factory=dict)

    def insert(self, row: RowRequest) -> int:
        number = self.batch.insert(row)
        self.tokens[number] = []
        return number

    def step(self, chunk: int = 16) -> list[RowToken]:
        result = self.batch.step(chunk)
        for token in result.tokens:
            self.tokens[token.row].append(token.token_id)
            if token.finish is not None:
                self.finishes[token.row] = token.finish
        return result.tokens

    def until_done(self, *rows: int, chunk: int = 16) -> list[list[int]]:
        while not all(row in self.finishes for row in rows):
            self.step(chunk)
        return [self.tokens[row] for row in rows]


def greedy(
    prompt: Sequence[int], max_tokens: int = 20, *, inspect_logits: bool = False, **options: Any
) -> RowRequest:
    """A row with these sampling options; without any it is greedy."""
    return RowRequest(list(prompt), len(prompt), max_tokens, Sampling(**options), inspect_logits)


def alone(model: Any, row: RowRequest, chunk: int = 512) -> list[int]:
    run = Run(Batch(model, (), 8))
    return run.until_done(run.insert(row), chunk=chunk)[0]


def bare(model: Any, prompt: Sequence[int], max_tokens: int) -> list[int]:
    """mlx_lm's own single-stream greedy generation."""
    steps = generate_step(mx.array(list(prompt)), model, max_tokens=max_tokens)
    return [int(token) for token, _ in steps]


def test_greedy_rows_of_a_batch_equal_bare_mlx_lm(model: Any) -> None:
    run = Run(Batch(model, (), 8))
    rows = [run.insert(greedy(prompt, 30)) for prompt in PROMPTS]
    assert run.until_done(*rows) == [bare(model, prompt, 30) for prompt in PROMPTS]


def test_seeded_rows_are_the_same_alone_and_in_any_batch(model: Any) -> None:
    """Rows join and leave at different times, are cancelled in prefill and in decoding, and stand beside
    greedy ones; each must give what it gives alone."""
    rng = random.Random(4)
    rows = [
        greedy(
            PROMPTS[i % len(PROMPTS)],
            rng.choice([5, 12, 30]),
            temperature=rng.choice([0.0, 0.6, 1.0, 1.7]),
            top_p=rng.choice([1.0, 0.9, 0.4]),
            seed=rng.randrange(2**53),
        )
        for i in range(12)
    ]
    expected = [alone(model, row) for row in rows]
    for order_seed in range(3):
        assert interleaved(model, rows, random.Random(order_seed)) == expected


def interleaved(model: Any, rows: list[RowRequest], rng: random.Random) -> list[list[int]]:
    run = Run(Batch(model, (), 6))
    order = list(range(len(rows)))
    rng.shuffle(order)
    numbers: dict[int, int] = {}
    while order:
        if rng.random() < 0.4:
            index = order.pop()
            numbers[index] = run.insert(rows[index])
        if rng.random() < 0.2:
            # A stranger that is cancelled a few steps later, wherever it is by then.
            stranger = run.insert(greedy(PROMPTS[rng.randrange(8)], 50, temperature=1.0, seed=1))
            for _ in range(rng.randrange(4)):
                run.step(chunk=rng.choice([3, 16, 64]))
            run.batch.remove(stranger)
        run.step(chunk=rng.choice([3, 16, 64]))
    return run.until_done(*(numbers[index] for index in range(len(rows))))


def test_the_same_seed_repeats_and_another_one_differs(llama_model: Any) -> None:
    row = greedy(PROMPTS[2], 40, temperature=1.5, seed=1)
    assert alone(llama_model, row) == alone(llama_model, row)
    assert alone(llama_model, row) != alone(llama_model, replace(row, sampling=replace(row.sampling, seed=2)))


def test_a_completion_goes_on_where_it_stopped_with_the_same_seeds(llama_model: Any) -> None:
    """The key depends on (seed, position) alone, so prompt + the ids so far continues to the same tokens."""
    row = greedy(PROMPTS[2], 30, temperature=1.0, seed=99)
    whole = alone(llama_model, row)
    for cut in (1, 7, 29):
        rest = replace(row, token_ids=row.token_ids + whole[:cut], max_tokens=30 - cut)
        assert alone(llama_model, rest) == whole[cut:]


def test_a_batch_is_sampled_in_one_call(llama_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap k: rows with different samplers would be sampled one by one."""
    sizes: list[int] = []

    def recording(self: Any, logprobs: mx.array, positions: Any) -> mx.array:
        sizes.append(logprobs.shape[0])
        return original(self, logprobs, positions)

    original = Sampler.__call__
    monkeypatch.setattr(Sampler, "__call__", recording)
    run = Run(Batch(llama_model, (), 8))
    rows = [run.insert(greedy([5, 6, 7], 6, temperature=1 + i / 10, seed=i)) for i in range(4)]
    run.until_done(*rows)
    assert sizes[0] == 4 and set(sizes) == {4}


def test_an_end_token_stops_every_row(llama_model: Any) -> None:
    """Trap g: a row's own stop sequences replace the generator's, so the end tokens go to every row."""
    expected = bare(llama_model, PROMPTS[2], 20)
    end = expected[4]
    run = Run(Batch(llama_model, (end, 10**6), 8))
    row = run.insert(greedy(PROMPTS[2]))
    (tokens,) = run.until_done(row)
    assert tokens == expected[: expected.index(end) + 1]
    assert run.finishes[row] == "stop"


def test_stop_sequences_of_the_library_still_replace_the_generators(llama_model: Any) -> None:
    """Trap g itself: when this fails, passing the end tokens with each row is no longer needed."""
    from mlx_lm.generate import BatchGenerator

    end = bare(llama_model, PROMPTS[2], 20)[4]
    generator = BatchGenerator(llama_model, stop_tokens=[[end]])
    generator.insert([PROMPTS[2]], [20], stop_sequences=[StopSequences([(10**6,)])])
    responses = []
    while not responses or responses[-1].finish_reason is None:
        responses += generator.next()[1]
    assert responses[-1].finish_reason == "length"


def test_the_wired_limit_is_left_alone(llama_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap j: the constructor would set it to the maximum of the device."""
    wanted: list[int] = []
    monkeypatch.setattr(mx, "device_info", lambda *_: {"max_recommended_working_set_size": 1 << 30})
    monkeypatch.setattr(mx, "set_wired_limit", lambda size: wanted.append(size) or 0)
    Batch(llama_model, (), 8).close()
    assert wanted == []


def test_a_refused_row_takes_no_other_row_with_it(llama_model: Any) -> None:
    """Traps d and i: empty prompts and max_tokens below 1 raise at insert."""
    run = Run(Batch(llama_model, (), 8))
    row = run.insert(greedy(PROMPTS[2]))
    for refused in (greedy([]), greedy([1], 0), greedy([1], -1)):
        with pytest.raises(ValueError):
            run.batch.insert(refused)
    other = run.insert(greedy(PROMPTS[3]))
    assert run.until_done(row, other) == [bare(llama_model, PROMPTS[i], 20) for i in (2, 3)]


def test_rows_leave_in_every_stage_without_a_trace(llama_model: Any) -> None:
    run = Run(Batch(llama_model, (), 8))
    stay = run.insert(greedy(PROMPTS[3], 40))
    queued, prefilling, decoding = (run.insert(greedy(PROMPTS[6], 40)) for _ in range(3))
    run.batch.remove(queued)
    run.step(chunk=16)
    run.batch.remove(prefilling)
    while not run.tokens[decoding]:
        run.step(chunk=64)
    run.batch.remove(decoding)
    run.batch.remove(decoding)
    run.batch.remove(12345)
    assert run.until_done(stay) == [bare(llama_model, PROMPTS[3], 40)]
    assert not run.tokens[queued] and not run.tokens[prefilling] and len(run.tokens[decoding]) == 1


def test_the_cache_of_a_long_row_is_given_back_when_it_leaves(llama_model: Any) -> None:
    """Traps e and f: a batch is padded to its longest row, and a finished row's cache is a view of it."""
    run = Run(Batch(llama_model, (), 8))
    short = run.insert(greedy(PROMPTS[2], 200))
    long = run.insert(greedy([7] * 1500, 2))
    run.until_done(long, chunk=512)
    peak = mx.get_active_memory()
    run.step()
    run.step()
    assert mx.get_active_memory() < peak
    run.batch.remove(short)
    assert run.step() == []


def test_prompt_work_of_a_step_is_bounded_and_reported(llama_model: Any) -> None:
    run = Run(Batch(llama_model, (), 8))
    run.insert(greedy([9] * 100))
    results = [run.batch.step(30) for _ in range(4)]
    assert [result.prefilled_tokens for result in results] == [30, 30, 30, 9]
    assert all(result.prefill_seconds > 0 for result in results)


def test_logits_are_inspected_only_where_asked(llama_model: Any) -> None:
    run = Run(Batch(llama_model, (), 8))
    watched = run.insert(greedy(PROMPTS[2], 5, inspect_logits=True))
    plain = run.insert(greedy(PROMPTS[3], 9))
    tokens = []
    while plain not in run.finishes:
        tokens += run.step()
    checks = {row: [token.logits for token in tokens if token.row == row] for row in (watched, plain)}
    assert all(check is not None and check.finite and not check.constant for check in checks[watched])
    assert len(checks[watched]) == 5 and set(checks[plain]) == {None}


def test_broken_weights_show_in_the_inspection(models: Path) -> None:
    model: Any = load_model(build_model(models / "broken"))[0]
    head = model.lm_head.weight
    for weight, finite, constant in ((head * float("nan"), False, False), (head * 0, True, True)):
        model.lm_head.weight = weight
        run = Run(Batch(model, (), 2))
        row = run.insert(greedy(PROMPTS[2], 3, inspect_logits=True))
        tokens = []
        while row not in run.finishes:
            tokens += run.step()
        assert [(token.logits.finite, token.logits.constant) for token in tokens] == [(finite, constant)] * 3


@pytest.fixture
def failing_model(llama_model: Any) -> Iterator[Any]:
    yield FailingModel(llama_model)


class FailingModel:
    """Raises in the forward pass when told to."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.layers = model.layers
        self.fail = False

    def __call__(self, *args: Any, **kwargs: Any) -> mx.array:
        if self.fail:
            raise RuntimeError("[matmul] shapes do not fit")
        return self.model(*args, **kwargs)

    def make_cache(self) -> Any:
        return make_prompt_cache(self.model)


def test_after_an_exception_a_batch_is_damaged_and_a_new_one_is_not(failing_model: FailingModel) -> None:
    """Trap a: the exception is never clean, which is why every row is failed and the batch rebuilt."""
    run = Run(Batch(failing_model, (), 8))
    row = run.insert(greedy(PROMPTS[3], 30))
    while len(run.tokens[row]) < 5:
        run.step()
    run.insert(greedy(PROMPTS[2], 30))
    failing_model.fail = True
    with pytest.raises(RuntimeError):
        for _ in range(4):
            run.step()
    failing_model.fail = False
    fresh = Run(Batch(failing_model, (), 8))
    assert fresh.until_done(fresh.insert(greedy(PROMPTS[3], 30))) == [
        bare(failing_model.model, PROMPTS[3], 30)
    ]
