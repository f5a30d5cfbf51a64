"""Readers of the log answer for themselves."""

import pytest

from django_clean_timestamps.eventlog import cursors
from django_clean_timestamps.eventlog.cursors import (
    answer_for_cursors,
    forget_cursors,
    highest_cursor,
    lowest_cursor,
)


@pytest.fixture(autouse=True)
def _nobody_reads(monkeypatch):
    """Delivery answers for its subscriptions, which are in databases."""
    monkeypatch.setattr(cursors, "_answers", [])


@pytest.fixture
def readers():
    """Return a function that lets readers be at some positions of some logs."""
    answering = []

    def be_at(**positions):
        def answer(using):
            return positions.get(using, ())

        answer_for_cursors(answer)
        answering.append(answer)
        return answer

    yield be_at
    for answer in answering:
        forget_cursors(answer)


def test_where_nobody_reads_there_is_no_cursor():
    assert lowest_cursor("default") is None
    assert highest_cursor("default") is None


def test_the_slowest_and_the_furthest_of_all_readers_are_found(readers):
    readers(default=[5, 9])
    readers(default=(7, 3, 4))
    assert (lowest_cursor("default"), highest_cursor("default")) == (3, 9)


def test_a_reader_at_the_beginning_counts(readers):
    readers(default=[0])
    assert (lowest_cursor("default"), highest_cursor("default")) == (0, 0)


def test_each_log_has_readers_of_its_own(readers):
    readers(default=[5], other=[1])
    assert (lowest_cursor("default"), lowest_cursor("other")) == (5, 1)
    assert lowest_cursor("third") is None


def test_who_has_no_reader_answers_with_nothing(readers):
    readers()
    assert lowest_cursor("default") is None


def test_who_was_forgotten_no_longer_answers(readers):
    answer = readers(default=[5])
    forget_cursors(answer)
    assert lowest_cursor("default") is None
    answer_for_cursors(answer)


def test_it_is_asked_each_time_anew(readers):
    positions = [1]
    readers(default=positions)
    assert lowest_cursor("default") == 1
    positions[0] = 8
    assert lowest_cursor("default") == 8


def test_who_answers_already_is_not_asked_twice(readers):
    asked = []

    def answer(using):
        asked.append(using)
        return ()

    answer_for_cursors(answer)
    answer_for_cursors(answer)
    lowest_cursor("default")
    assert asked == ["default"]
