"""Rows are shared between owners: who has none gets one at once, and nobody loses what it has computed."""

from collections import Counter
from collections.abc import Callable

import pytest

from lmx_worker.engine.cache_budget import CacheBudget, CacheFootprint
from lmx_worker.scheduling.fairness import in_turn, rows_to_spare
from lmx_worker.scheduling.occupancy import Limits, Occupancy, RunningRow, Turns, WaitingRow
from lmx_worker.scheduling.row_places import KEPT_SECONDS
from lmx_worker.scheduling.schedule_policy import AGEING_SECONDS, choose_next, rows_to_interrupt
from tests.fake_engine import FakeEngine, texts
from tests.test_scheduler import Conversation

# More than any of these tests needs, and fewer than the longest row has tokens.
MOST_TICKS = 2_000


def tick_until(talk: Conversation, condition: Callable[[], object]) -> None:
    for _ in range(MOST_TICKS):
        if condition():
            return
        talk.scheduler.tick()
    raise AssertionError(f"not within {MOST_TICKS} ticks")


def has_finished(talk: Conversation, name: str) -> bool:
    return bool(talk.rows(name)) and talk.last_event(name)["type"] == "finish"


def waiting(*owners: str, tokens: int = 10, since: float = 0.0) -> list[WaitingRow]:
    return [WaitingRow(tokens, since, tokens + 10, owner) for owner in owners]


def running(*owners: str, tokens: int = 10, prefilling: bool = False) -> Occupancy:
    return Occupancy([RunningRow(tokens, tokens + 10, prefilling, owner) for owner in owners])


@pytest.mark.parametrize(
    ("wait", "run", "max_rows", "turns", "order"),
    [
        ("ab", "", 4, {}, "ab"),  # in order of arrival
        ("ab", "", 4, {"a": 1}, "ba"),  # whose turn was longest ago
        ("ab", "", 4, {"a": 1, "b": 2}, "ab"),
        ("ab", "aa", 8, {"b": 9}, "ba"),  # fewer rows before an older turn
        ("ab", "aaaa", 8, {}, "b"),  # its share of two owners is four of eight
        ("ab", "aaabbb", 8, {}, "ab"),
        ("a", "aaaab", 8, {}, "a"),  # nobody below its share waits: no row stays empty
        ("abc", "a", 1, {}, "bc"),  # fewer rows than owners
    ],
)
def test_rows_are_given_round_robin_and_no_more_than_a_share_while_others_wait(
    wait: str, run: str, max_rows: int, turns: dict[str, int], order: str
) -> None:
    assert "".join(in_turn(waiting(*wait), running(*run), max_rows, turns)) == order


def test_the_shortest_row_of_the_owner_with_most_is_spared_first_and_never_an_owners_last() -> None:
    rows = [
        RunningRow(n, 99, False, owner) for n, owner in [(5, "b"), (9, "a"), (3, "a"), (7, "a"), (8, "b")]
    ]
    assert list(rows_to_spare(Occupancy(rows))) == [2, 0, 3]
    assert list(rows_to_spare(running("a", "b", "c"))) == []


def interrupt(wait: list[WaitingRow], run: Occupancy, limits: Limits, now: float = 0.0) -> list[int]:
    return list(rows_to_interrupt(wait, run, limits, now, Turns()))


def test_only_an_owner_without_a_row_interrupts_another() -> None:
    limits = Limits(max_rows=4)
    assert interrupt(waiting("a", "b"), running(*"aaaa"), limits) == [3]
    assert interrupt(waiting("a", "b"), running(*"aaab"), limits) == []
    assert interrupt(waiting("a"), running(*"aaaa"), limits) == []
    assert interrupt(waiting("e"), running(*"abcd"), limits) == []


def test_as_many_rows_are_interrupted_as_the_caches_need_and_none_in_vain() -> None:
    # One byte a token, and 255 tokens are held back for each row of a batch.
    limits = Limits(32, CacheBudget((CacheFootprint("KVCache", 1, 0, 1, None),), 4 * (100 + 255)))
    run = running(*"aaaa", tokens=90)
    assert interrupt(waiting("b", tokens=90), run, limits) == [3]
    # A row of 400 tokens fits beside one other, 1000 beside none.
    assert interrupt(waiting("b", tokens=390), run, limits) == [3, 2, 1]
    assert interrupt(waiting("b", tokens=990), run, limits) == []


def test_who_was_let_in_by_an_interruption_is_chosen_next() -> None:
    limits = Limits(max_rows=2)
    wait, run = waiting("a", "b"), running("a", "a")
    left = run.without(interrupt(wait, run, limits, now=AGEING_SECONDS))
    assert choose_next(wait, left, limits, AGEING_SECONDS, Turns()) == 1


def test_a_kept_place_is_only_for_an_owner_without_a_row() -> None:
    limits, kept = Limits(max_rows=4), Turns(kept_places=1)
    assert choose_next(waiting("a"), running(*"aa"), limits, 0.0, kept) == 0
    assert choose_next(waiting("a"), running(*"aaa"), limits, 0.0, kept) is None
    assert choose_next(waiting("a", "b"), running(*"aaa"), limits, 0.0, kept) == 1
    assert choose_next(waiting("a"), running(), Limits(max_rows=1), 0.0, kept) == 0


def test_an_owner_that_asks_again_interrupts_no_second_row(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("lmx_worker.scheduling.row_places.time.monotonic", lambda: clock[0])
    engine = FakeEngine(context_tokens=100_000)
    talk = Conversation(engine, rows=4)
    for number in range(8):
        talk.ask(f"g{number}", "x", None, owner="greedy")
    tick_until(talk, lambda: len(engine.rows) == 4)
    inserted = []
    for turn in range(3):
        talk.ask(f"other{turn}", "y", 3, owner="other")
        tick_until(talk, lambda name=f"other{turn}": has_finished(talk, name))
        talk.scheduler.tick()
        inserted.append(len(engine.given))
    # Four of the greedy owner, and one more for each of the others: none came back meanwhile.
    assert inserted == [5, 6, 7] and len(engine.rows) == 3
    clock[0] += KEPT_SECONDS
    talk.scheduler.tick()
    assert len(engine.rows) == 4


def test_long_prompts_of_others_keep_no_owner_out_of_the_prefill() -> None:
    run = running("a", "a", tokens=50_000, prefilling=True)
    limits = Limits(max_rows=8)
    assert choose_next(waiting("a"), run, limits, 0.0, Turns()) is None
    assert choose_next(waiting("a", "b"), run, limits, 0.0, Turns()) == 1


def test_another_owner_has_its_first_token_in_the_next_step_and_nothing_of_the_others_changes() -> None:
    alone = Conversation(FakeEngine(), rows=4)
    alone.ask("g0", "x", 30)
    alone.run_until_idle()
    talk = Conversation(FakeEngine(), rows=4)
    for number in range(20):
        talk.ask(f"g{number}", "x", 30, owner="greedy")
    tick_until(talk, lambda: len(talk.engine.rows) == 4 and talk.rows("g3"))
    talk.ask("other", "y", 5, owner="other")
    tick_until(talk, lambda: any("result" in m and m.get("id") == talk._ids for m in talk.sent))
    steps = talk.status.steps
    talk.scheduler.tick()
    assert len(talk.rows("other")) >= 1 and talk.status.steps <= steps + 1
    assert Counter(row.token_ids[0] for row in talk.engine.rows.values()) == {120: 3, 121: 1}
    talk.run_until_idle()
    assert texts(talk.rows("other")) == "yyyy"
    for number in range(20):
        rows = talk.rows(f"g{number}")
        assert [(row["position"], row["token_ids"]) for row in rows] == [
            (row["position"], row["token_ids"]) for row in alone.rows("g0")
        ]
        assert talk.last_event(f"g{number}")["usage"] == alone.last_event("g0")["usage"]


def test_an_interrupted_row_is_cancelled_like_any_that_waits() -> None:
    talk = Conversation(FakeEngine(context_tokens=100_000), rows=2)
    for number in range(2):
        talk.ask(f"g{number}", "x", None, owner="greedy")
    tick_until(talk, lambda: talk.rows("g1"))
    talk.ask("other", "y", 90, owner="other")
    tick_until(talk, lambda: talk.rows("other"))
    seen = {name: len(talk.rows(name)) for name in ("g0", "g1")}
    talk.scheduler.tick()
    (stopped,) = [name for name, count in seen.items() if len(talk.rows(name)) == count]
    for name in ("g0", "g1"):
        talk.put("cancel", request_id=name)
    talk.run_until_idle()
    assert len(talk.rows(stopped)) == seen[stopped]
    assert talk.last_event("other")["type"] == "finish" and talk.engine.rows == {}


def test_one_row_at_a_time_goes_to_owners_in_turn() -> None:
    talk = Conversation(FakeEngine(), rows=1)
    for number in range(4):
        talk.ask(f"a{number}", "x", 3, owner="a")
    talk.ask("b0", "x", 3, owner="b")
    talk.ask("b1", "x", 3, owner="b")
    talk.run_until_idle()
    order = [row["request_id"] for m in talk.sent if m.get("method") == "step" for row in m["params"]["rows"]]
    owners = [name[0] for name in dict.fromkeys(order)]
    assert owners.index("b") <= 1 and "".join(owners[-2:]) == "aa"
