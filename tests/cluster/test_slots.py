"""Slots are never given twice, come back from who is gone, and survive the loss of the table."""

from __future__ import annotations

import pytest

from bgecheck.cluster.slots import LEASE, SETTLING, Slots


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_as_many_as_there_are_and_no_more(clock: Clock) -> None:
    slots = Slots(clock)
    assert [slots.take(lease, 2) for lease in "abc"] == [True, True, False]
    slots.give_back("a")
    assert slots.take("c", 2)
    assert (slots.taken, slots.peak, slots.given) == (2, 2, 3)


def test_a_question_that_is_repeated_takes_no_second_slot(clock: Clock) -> None:
    slots = Slots(clock)
    assert [slots.take("a", 2) for _ in range(3)] == [True] * 3
    assert (slots.taken, slots.given) == (1, 1)
    slots.give_back("a")
    slots.give_back("a")
    assert slots.taken == 0


def test_the_fewest_that_anyone_has_learned_count(clock: Clock) -> None:
    """A worker that cannot see the server's page assumes more than the server takes."""
    slots = Slots(clock)
    assert slots.take("a", 16)
    assert slots.take("b", 3)
    assert [slots.take("c", 16), slots.take("d", 16)] == [True, False]


def test_a_slot_comes_free_when_its_worker_says_nothing(clock: Clock) -> None:
    slots = Slots(clock)
    slots.take("dead", 1)
    clock.now += LEASE - 0.01
    assert not slots.take("b", 1)
    clock.now += 0.01
    assert slots.take("b", 1)


def test_a_slot_is_kept_by_a_sign_of_life(clock: Clock) -> None:
    slots = Slots(clock)
    slots.take("slow", 1)
    for _ in range(10):
        clock.now += LEASE * 0.9
        slots.renew(["slow"])
        assert not slots.take("b", 1)


def test_a_table_begun_anew_waits_for_those_that_hold_slots(clock: Clock) -> None:
    slots = Slots(clock, anew=True)
    assert not slots.take("new", 1)
    slots.renew(["old"])
    clock.now += SETTLING
    assert not slots.take("new", 1)
    slots.give_back("old")
    assert slots.take("new", 1)
    assert slots.peak == 1


def test_a_first_table_does_not_wait(clock: Clock) -> None:
    assert Slots(clock).take("a", 1)
