"""The queue of the hot path and what it becomes."""

import logging
import threading

from django_clean_timestamps.metrics import recorder as module
from django_clean_timestamps.metrics.recorder import FOLD_AT, OTHER, SERIES_AT_MOST, Recorder, new_writer
from tests.metrics.recordings import FakeTime, recorder

SAVE = ("shop.order", "update", "ok", "default")
HANDLER = ("", "handler:shop.mail", "ok", "default")


def counts(made):
    return {
        series: sum(
            row.counted.sketch.count for row in made.minutes.due(int(FakeTime.time), {}) if row.series == series
        )
        for series in {row.series for row in made.minutes.due(int(FakeTime.time), {})}
    }


def test_what_is_observed_is_counted_when_it_is_folded():
    made = recorder()
    made.observe(SAVE, 0.001, 1, "7", "seen")
    made.observe_many(HANDLER, [0.1, 0.2])
    assert made.has_news
    made.fold()
    assert counts(made) == {SAVE: 1, HANDLER: 2}


def test_the_first_observation_wakes_and_no_other_does():
    woken = []
    made = Recorder(lambda: woken.append(1))
    assert not made.is_awake
    made.observe(SAVE, 0.001)
    made.observe_many(HANDLER, [0.001])
    assert woken == [1]
    made.begin()
    made.observe_many(HANDLER, [0.001])
    assert woken == [1, 1]


def test_a_wake_that_fails_is_logged(caplog):
    def fail():
        raise RuntimeError("can't start new thread")

    made = Recorder(fail)
    made.observe(SAVE, 0.001)
    assert "could not be started" in caplog.text


def test_a_long_queue_is_folded_at_once():
    made = recorder()
    for _ in range(FOLD_AT):
        made.observe(SAVE, 0.001)
    assert len(made._queue) == 0
    made.observe_many(SAVE, [0.001] * FOLD_AT)
    assert len(made._queue) == 0
    assert counts(made) == {SAVE: 2 * FOLD_AT}


def test_whoever_observes_never_waits_for_a_fold():
    made = recorder()
    with made.lock:
        thread = threading.Thread(target=lambda: [made.observe(SAVE, 0.001) for _ in range(FOLD_AT + 5)])
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    made.fold()
    assert counts(made) == {SAVE: FOLD_AT + 5}


def test_four_threads_lose_nothing():
    made = recorder()
    threads = [threading.Thread(target=lambda: [made.observe(SAVE, 0.001) for _ in range(25_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        made.fold()
    made.fold()
    assert counts(made) == {SAVE: 100_000}


def test_past_two_hundred_series_the_rest_is_one(monkeypatch):
    made = recorder()
    for number in range(SERIES_AT_MOST + 3):
        made.observe(("shop.order", f"handler:{number}", "ok", "default"), 0.001)
    made.fold()
    found = counts(made)
    assert len(found) == SERIES_AT_MOST + 1
    assert found[OTHER, OTHER, "ok", ""] == 3
    assert made.dropped == 3


def test_what_cannot_be_counted_is_logged_and_never_raised(caplog, monkeypatch):
    made = recorder()

    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(made.minutes, "add", fail)
    made.observe(SAVE, 0.001)
    with caplog.at_level(logging.ERROR):
        made.fold()
    assert "Observations were lost" in caplog.text


def test_the_minute_is_that_of_the_database():
    made = recorder(skew=90.0)
    made.observe(SAVE, 0.001)
    made.fold()
    (row,) = made.minutes.due(int(FakeTime.time) - 90, {})
    assert row.start == int(FakeTime.time - 90) // 60 * 60


def test_no_two_processes_have_one_number():
    assert len({new_writer() for _ in range(1_000)}) == 1_000
    assert all(0 < new_writer() < 2**63 for _ in range(100))
    assert module.new_writer() != recorder().writer
