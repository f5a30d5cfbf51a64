"""Sinks that fail, hang or are slow: nothing waits for them, and they are told once they can be."""

import atexit
import logging
import threading

import pytest
from django.db import DatabaseError

from django_clean_timestamps.metrics.alerts import telling as module
from django_clean_timestamps.metrics.alerts.evaluation import Evaluator
from django_clean_timestamps.metrics.alerts.models import AlertNotice, AlertState
from tests.metrics.alerts.tables import receiving

pytestmark = pytest.mark.django_db


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(house):
    """Return the clock that waits between attempts are measured by."""
    house.evaluator._telling._clock = clock = Clock()
    return clock


@pytest.fixture
def longest(monkeypatch):
    """Let every wait be as long as it may be."""
    monkeypatch.setattr(module, "full_jitter", lambda attempt, *, base, cap: min(cap, base * 2**attempt))


def signal_notice():
    return AlertNotice.objects.get(sink="signal")


class Hanging:
    """A receiver that does not come back before it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.heard = []

    def __call__(self, alert, **kwargs):
        self.heard.append(alert.key)
        assert self.let_go.wait(60)


@pytest.fixture
def hanging(house):
    house.evaluator._telling._wait_seconds = 0
    with receiving(Hanging()) as hanging:
        yield hanging
        hanging.let_go.set()
        for thread in house.evaluator._telling._threads.values():
            thread.join(60)
    atexit.unregister(house.evaluator._telling.finish)


def test_what_failed_is_tried_again_later_each_time(house, hearing, clock, longest, caplog):
    hearing.error = ConnectionError("line\nbroken")
    house.passes(4, waiting=2_000)
    notice = signal_notice()
    assert (notice.told_at, notice.attempts, notice.error) == (None, 1, "ConnectionError: line broken")
    assert "signal" not in AlertState.objects.get().told
    assert "tried again: ConnectionError: line broken" in caplog.text
    attempts = []
    for _ in range(8):
        clock.now += 15
        house.passes(1, waiting=2_000)
        attempts.append(signal_notice().attempts)
    assert attempts == [1, 2, 2, 2, 2, 3, 3, 3]
    hearing.error = None
    clock.now += 900
    house.passes(2, waiting=2_000)
    assert hearing.keys == ["undelivered/all/1.1.1/firing"]
    assert (signal_notice().attempts, signal_notice().error) == (4, "")
    assert signal_notice().told_at is not None


def test_one_that_fails_keeps_no_other_from_being_told(house, hearing, caplog):
    hearing.error = ValueError("no")
    with caplog.at_level(logging.INFO, logger="django_clean_timestamps.alerts"):
        house.passes(5, waiting=2_000)
    assert [record.name for record in caplog.records].count("django_clean_timestamps.alerts") == 1
    assert set(AlertState.objects.get().told) == {"log"}


def test_what_is_over_before_a_sink_could_be_told_is_not_told(house, hearing, clock):
    hearing.error = ValueError("no")
    house.passes(4, waiting=2_000)
    house.passes(45, waiting=0)
    hearing.error = None
    clock.now += 9_000
    house.passes(2, waiting=0)
    assert hearing.heard == []


def test_a_sink_that_hangs_is_not_waited_for_nor_told_twice_at_once(house, hanging):
    house.passes(8, waiting=2_000)
    assert hanging.heard == ["undelivered/all/1.1.1/firing"]
    assert set(AlertState.objects.get().told) == {"log"}
    hanging.let_go.set()
    house.evaluator._telling._threads["signal"].join(60)
    house.passes(2, waiting=2_000)
    assert hanging.heard == ["undelivered/all/1.1.1/firing"]
    assert set(AlertState.objects.get().told) == {"log", "signal"}


def test_the_end_of_the_process_waits_for_a_slow_sink_and_writes_it_down(house, hanging):
    house.passes(4, waiting=2_000)
    assert house.evaluator._telling._finishes
    hanging.let_go.set()
    house.evaluator._telling.finish()
    assert set(AlertState.objects.get().told) == {"log", "signal"}


def test_the_end_of_the_process_waits_for_no_hanging_one(house, hanging, monkeypatch):
    monkeypatch.setattr(module, "EXIT_SECONDS", 0.01)
    house.passes(4, waiting=2_000)
    house.evaluator._telling.finish()
    assert "signal" not in AlertState.objects.get().told


def test_the_end_of_the_process_never_fails(house, hearing, monkeypatch, caplog):
    def broken(self):
        raise DatabaseError("gone")

    house.passes(4, waiting=2_000)
    monkeypatch.setattr(module.Telling, "settle", broken)
    house.evaluator._telling.finish()
    assert "could not be written down: DatabaseError: gone" in caplog.text


def test_inside_a_transaction_the_end_writes_nothing_down(house, hearing, monkeypatch):
    monkeypatch.setattr(module, "can_begin", lambda using: False)
    monkeypatch.setattr(module.Telling, "settle", lambda self: pytest.fail("it was to write nothing"))
    house.evaluator._telling.finish()


def test_where_threads_are_over_it_is_told_at_once(house, monkeypatch):
    class Ended:
        def is_alive(self):
            return False

    monkeypatch.setattr(module.threading, "main_thread", Ended)
    threads = []

    def where(alert, **kwargs):
        threads.append(threading.current_thread())

    with receiving(where):
        house.passes(4, waiting=2_000)
    assert threads == [threading.current_thread()]
    assert set(AlertState.objects.get().told) == {"log", "signal"}


def test_what_could_not_be_written_down_is_with_the_next_pass(house, hearing, monkeypatch):
    def broken(self, outcomes):
        raise DatabaseError("busy")

    with monkeypatch.context() as patch:
        patch.setattr(module.Telling, "_set_told", broken)
        house.passes(3, waiting=2_000)
        with pytest.raises(DatabaseError):
            house.passes(1, waiting=2_000)
    house.passes(3, waiting=2_000)
    assert hearing.keys == ["undelivered/all/1.1.1/firing"]
    assert signal_notice().attempts == 1


def test_what_another_process_told_since_stays(house, hearing):
    house.passes(4, waiting=2_000)
    (row,) = AlertState.objects.all()
    later = {**row.told["signal"], "number": 9}
    telling = house.evaluator._telling
    outcome = module._Outcome("signal", _debt(house, row), "", "")
    AlertState.objects.update(told={"signal": later})
    telling._outcomes.append(outcome)
    told_at = signal_notice().told_at
    telling.settle()
    assert AlertState.objects.get().told["signal"] == later
    assert (signal_notice().attempts, signal_notice().told_at) == (2, told_at)


def _debt(house, row):
    row.told = {}
    owed = Evaluator("default")._owed([row], row.changed_at)
    return next(debts[0] for sink, debts in owed.items() if sink.name == "signal")
