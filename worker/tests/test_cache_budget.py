"""Rows are admitted while their caches fit into the budget: refused, shrunk, waiting, or turned away."""

from typing import Any

import pytest

from lmx_worker.engine.cache_budget import CacheBudget, CacheFootprint, batch_bytes, row_bytes
from tests.fake_engine import FakeEngine
from tests.test_scheduler import Conversation, chat

PLAIN = CacheFootprint("KVCache", 2, 0, 10, None)
WINDOW = CacheFootprint("RotatingKVCache", 2, 0, 4, 300)
STATE = CacheFootprint("ArraysCache", 2, 1000, 0, None)


@pytest.mark.parametrize(("tokens", "bytes_held"), [(1, 2560), (256, 2560), (257, 5120), (512, 5120), (0, 0)])
def test_a_cache_grows_by_256_tokens(tokens: int, bytes_held: int) -> None:
    assert row_bytes([PLAIN], tokens) == bytes_held


def test_a_window_ends_the_growth_and_a_state_never_grows() -> None:
    assert row_bytes([WINDOW], 256) == 4 * 256
    assert row_bytes([WINDOW], 257) == row_bytes([WINDOW], 100_000) == 4 * 300
    assert row_bytes([STATE], 1) == row_bytes([STATE], 100_000) == 1000
    assert row_bytes([PLAIN, WINDOW, STATE], 512) == 5120 + 1200 + 1000


def test_a_batch_is_as_long_as_its_longest_row_and_each_row_may_be_255_tokens_longer() -> None:
    assert batch_bytes([PLAIN], 1, 256) == 2560
    assert batch_bytes([PLAIN], 3, 256) == 3 * 10 * (256 + 255)
    assert batch_bytes([WINDOW], 3, 256) == 3 * 4 * 300
    assert batch_bytes([PLAIN], 0, 0) == 0


def test_the_longest_row_that_fits() -> None:
    assert CacheBudget([PLAIN], 5119).longest_row(2048) == 256
    assert CacheBudget([PLAIN], 5120).longest_row(2048) == 512
    assert CacheBudget([PLAIN], 10**9).longest_row(2048) == 2048
    assert CacheBudget([PLAIN], 0).longest_row(2048) == 0
    assert CacheBudget([STATE], 1000).longest_row(2048) == 2048


def talk_with(budget: int | None, **options: Any) -> Conversation:
    return Conversation(FakeEngine(caches=(PLAIN,), context_tokens=1000), budget=budget, **options)


def test_the_load_tells_the_caches_with_and_without_a_budget() -> None:
    told = {"kind": "KVCache", "layers": 2, "fixed_bytes": 0, "bytes_per_token": 10, "window_tokens": None}
    for budget in (None, 9999):
        assert list(talk_with(budget).answer(2)["result"]["caches"]) == [told]


def test_a_request_that_could_never_fit_is_refused_with_the_numbers() -> None:
    talk = talk_with(5120)
    call = talk.ask("a", "x" * 12, 501)
    talk.run_until_idle()
    error = talk.answer(call)["error"]
    assert error["data"] == {
        "code": "context_length_exceeded",
        "param": "max_tokens",
        "prompt_tokens": 12,
        "needed_bytes": 7680,
        "available_bytes": 5120,
        "fitting_tokens": 512,
    }
    assert error["message"].startswith("This model's maximum context length is 512 tokens ")
    assert all(text in error["message"] for text in ("7680", "5120", "12 tokens", "lower max_tokens"))
    fitting = talk.ask("b", "x" * 12, 500)
    talk.run_until_idle()
    assert talk.answer(fitting)["result"]["max_tokens"] == 500


def test_without_a_limit_of_its_own_a_request_gets_what_fits() -> None:
    talk = talk_with(5120)
    call = talk.ask("a", "x" * 12, None)
    talk.run_until_idle()
    assert talk.answer(call)["result"]["max_tokens"] == 500
    assert talk.last_event("a")["usage"]["completion_tokens"] == 500


@pytest.mark.parametrize("max_tokens", [None, 1])
def test_a_prompt_that_fills_the_budget_is_refused(max_tokens: int | None) -> None:
    talk = talk_with(5120)
    call = talk.ask("a", "x" * 512, max_tokens)
    talk.run_until_idle()
    data = talk.answer(call)["error"]["data"]
    assert (data["code"], data["param"], data["needed_bytes"]) == ("context_length_exceeded", "prompt", 7680)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ({"kind": "token_ids", "token_ids": [7] * 1000}, "1000"),
        ({"kind": "text", "text": "x" * 5000}, "at least 5000"),
    ],
)
def test_a_prompt_beyond_the_context_is_refused_in_the_words_clients_look_for(
    prompt: dict[str, Any], found: str
) -> None:
    """They shorten the conversation by themselves then; with other words they give up."""
    talk = talk_with(None)
    call = talk.put("generate", request_id="a", request={**chat("x", max_tokens=None), "prompt": prompt})
    talk.run_until_idle()
    message = talk.answer(call)["error"]["message"]
    assert message.startswith(
        f"This model's maximum context length is 1000 tokens, and the prompt has {found} tokens."
    )


def test_a_budget_of_nothing_refuses_everything_and_none_refuses_nothing() -> None:
    talk = talk_with(0)
    call = talk.ask("a", "x", None)
    talk.run_until_idle()
    assert talk.answer(call)["error"]["data"]["fitting_tokens"] == 0
    talk = talk_with(None)
    call = talk.ask("a", "x", None)
    talk.run_until_idle()
    assert talk.answer(call)["result"]["max_tokens"] == 999


def most_rows(talk: Conversation) -> int:
    """Runs to the end; the most rows the engine ever had."""
    seen = [0]
    talk.engine.before_step = lambda: seen.append(len(talk.engine.rows))
    talk.run_until_idle()
    return max(seen)


def test_rows_wait_until_there_is_room_and_all_come_to_their_end() -> None:
    talk = talk_with(2 * 10 * (100 + 255))
    for name in "abcdef":
        talk.ask(name, "x" * 60, 40)
    assert most_rows(talk) == 2
    assert {talk.last_event(name)["type"] for name in "abcdef"} == {"finish"}
    talk = talk_with(2 * 10 * (100 + 255) - 1)
    for name in "ab":
        talk.ask(name, "x" * 60, 40)
    assert most_rows(talk) == 1


def test_one_long_row_makes_short_ones_wait() -> None:
    """Trap e: short rows are padded to the long one."""
    talk = talk_with(3 * 10 * (100 + 255), rows=8)
    talk.ask("long", "x" * 10, 790)
    while not talk.rows("long"):
        talk.scheduler.tick()
    for name in "abc":
        talk.ask(name, "x" * 60, 40)
    assert most_rows(talk) == 3
    order = [row["request_id"] for m in talk.sent if m.get("method") == "step" for row in m["params"]["rows"]]
    assert order.index("a") > len(order) - 1 - order[::-1].index("long")


def test_too_many_waiting_are_turned_away_with_the_bytes() -> None:
    talk = talk_with(10 * 256, rows=2)
    calls = [talk.ask(f"r{number}", "x" * 60, 40) for number in range(134)]
    talk.run_until_idle()
    refused = [talk.answer(call)["error"] for call in calls if "error" in talk.answer(call)]
    assert 1 <= len(refused) <= 6
    assert {error["data"]["code"] for error in refused} == {"rate_limit_exceeded"}
    data = refused[-1]["data"]
    assert (data["waiting"], data["available_bytes"]) == (128, 2560)
    assert data["held_bytes"] <= 2560 and data["needed_bytes"] >= 2560
    assert str(data["held_bytes"]) in refused[-1]["message"]


def test_an_idle_model_takes_as_many_as_one_http_request_may_bring() -> None:
    talk = talk_with(10 * 256, rows=2)
    calls = [talk.ask(f"r{number}", "x" * 60, 40) for number in range(128)]
    talk.run_until_idle()
    assert all("result" in talk.answer(call) for call in calls)


def test_without_a_budget_nobody_is_turned_away() -> None:
    talk = talk_with(None, rows=2)
    calls = [talk.ask(f"r{number}", "x", 2) for number in range(140)]
    talk.run_until_idle()
    assert all("result" in talk.answer(call) for call in calls)


def test_a_canary_is_never_turned_away() -> None:
    talk = talk_with(10 * 256, rows=2)
    for number in range(134):
        talk.ask(f"r{number}", "x" * 60, 40)
    call = talk.put("canary", prompt="x", max_tokens=2)
    talk.run_until_idle()
    assert "result" in talk.answer(call)
