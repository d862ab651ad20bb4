"""Owners take turns before the preparation thread: many prompts of one delay no other by more than one."""

import threading

from lmx_worker.scheduling.turn_queue import TurnQueue
from tests.fake_engine import FakeCodec, FakeEngine
from tests.test_scheduler import Conversation


def test_owners_take_turns_and_each_keeps_its_order() -> None:
    queue: TurnQueue[int] = TurnQueue()
    for owner, entry in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)]:
        queue.put(owner, entry)
    assert [queue.take() for _ in range(6)] == [1, 4, 5, 2, 6, 3]


def test_an_owner_that_comes_back_waits_for_one_entry_of_each_other() -> None:
    queue: TurnQueue[int] = TurnQueue()
    for entry in range(3):
        queue.put("greedy", entry)
    assert queue.take() == 0
    queue.put("new", 10)
    assert [queue.take() for _ in range(3)] == [1, 10, 2]


def test_taking_waits_for_an_entry() -> None:
    queue: TurnQueue[int] = TurnQueue()
    taken: list[int] = []
    taker = threading.Thread(target=lambda: taken.append(queue.take()))
    taker.start()
    queue.put("a", 1)
    taker.join(10)
    assert taken == [1]


def test_a_prompt_is_prepared_after_one_of_an_owner_who_sent_many_before() -> None:
    gate = threading.Event()
    codec = FakeCodec(gate.wait)
    talk = Conversation(FakeEngine(codec=codec))
    for number in range(20):
        talk.ask(f"greedy{number}", "refuse", owner="greedy")
    talk.ask("other", "x", owner="other")
    talk.scheduler.tick()
    gate.set()
    talk.run_until_idle()
    prepared = [prompt.messages[0]["content"] for prompt in codec.encoded]  # type: ignore[union-attr]
    # One of the greedy ones was in preparation when the other came, at most one more went before it.
    assert "x" in prepared[:3]
