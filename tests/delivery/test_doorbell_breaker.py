"""How long a broker that takes nothing is left alone, and what people are told of it."""

import logging

import pytest

from django_clean_timestamps.delivery.doorbell.breaker import Breaker


def failures(breaker, count):
    return [breaker.note_failure(ConnectionRefusedError("no\nbody")) for _ in range(count)]


def test_the_wait_doubles_from_a_second_to_a_minute():
    assert failures(Breaker(draw=lambda: 0.0), 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_wait_is_shortened_by_up_to_a_half():
    assert failures(Breaker(draw=lambda: 0.5), 3) == [0.75, 1.5, 3]


def test_it_draws_at_random():
    waits = {Breaker().note_failure(OSError()) for _ in range(20)}
    assert len(waits) > 1
    assert all(0.5 <= wait <= 1 for wait in waits)


def test_after_a_success_the_wait_begins_anew():
    breaker = Breaker(draw=lambda: 0.0)
    failures(breaker, 5)
    breaker.note_success()
    assert failures(breaker, 2) == [1, 2]


def test_it_is_open_from_a_failure_to_the_next_success():
    breaker = Breaker()
    states = [breaker.is_open]
    for note in (lambda: failures(breaker, 1), breaker.note_success):
        note()
        states.append(breaker.is_open)
    assert states == [False, True, False]


def test_an_outage_is_one_warning_at_its_beginning_and_one_at_its_end(caplog):
    breaker = Breaker()
    failures(breaker, 3)
    breaker.note_success()
    breaker.note_success()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    first, last = caplog.messages
    assert first.endswith("events wait for the sweep: ConnectionRefusedError: no body")
    assert last == "The broker takes the doorbell again, after 3 failed attempts"
    failures(breaker, 1)
    assert len(caplog.records) == 3


@pytest.mark.parametrize("successes", [1, 3])
def test_where_nothing_fails_nothing_is_said(successes, caplog):
    breaker = Breaker()
    for _ in range(successes):
        breaker.note_success()
    assert caplog.records == []
