"""The thread publishes at least one message after each ring, and nobody waits for it."""

import logging
import os
import random
import threading
import time

import pytest

from django_clean_timestamps.delivery.doorbell import thread as thread_module
from django_clean_timestamps.delivery.doorbell.breaker import Breaker
from django_clean_timestamps.delivery.doorbell.thread import WINDOW_SECONDS, DoorbellThread
from tests.delivery.bells import PATIENCE, Publishing, Waiting

elsewhere = set()


@pytest.fixture
def make():
    """Return a function that makes a doorbell; those that were made are ended."""
    made = []
    elsewhere.update(all_threads())

    def make(publish, **options):
        made.append((DoorbellThread(publish, **options), options.get("wait")))
        return made[-1][0]

    yield make
    for doorbell, waiting in made:
        if isinstance(waiting, Waiting):
            for _ in range(10):
                waiting.end()
        doorbell.close()
        if doorbell._thread is not None:
            doorbell._thread.join(PATIENCE)
            assert not doorbell._thread.is_alive()


@pytest.fixture
def waiting():
    return Waiting()


def all_threads():
    return {each for each in threading.enumerate() if each.name == "clean_timestamps doorbell"}


def threads():
    """Return the threads of the doorbells that this test has made."""
    return list(all_threads() - elsewhere)


def test_the_thread_is_made_by_the_first_ring_and_dies_with_the_process(make):
    publishing = Publishing()
    doorbell = make(publishing)
    assert threads() == []
    doorbell.ring("app", "default")
    assert publishing.next() == ("app", "default")
    (thread,) = threads()
    assert thread.daemon
    doorbell.ring("app", "default")
    assert publishing.next() == ("app", "default")
    assert threads() == [thread]


def test_the_first_ring_goes_out_at_once_and_those_of_the_window_once_at_its_end(make, waiting):
    publishing = Publishing()
    doorbell = make(publishing, wait=waiting)
    doorbell.ring("app", "default")
    assert publishing.next() == ("app", "default")
    assert waiting.seconds() == WINDOW_SECONDS
    for _ in range(100):
        doorbell.ring("app", "default")
    assert publishing.published.empty()
    waiting.end()
    assert publishing.next() == ("app", "default")
    assert waiting.seconds() == WINDOW_SECONDS
    waiting.end()
    # Nothing is left over, and it can be rung again.
    doorbell.ring("app", "default")
    publishing.next()
    assert publishing.published.empty()


def test_each_log_has_a_message_of_its_own(make, waiting):
    publishing = Publishing()
    doorbell = make(publishing, wait=waiting)
    doorbell.ring("app", "default")
    waiting.seconds()
    for alias in ("other", "default", "other"):
        doorbell.ring("app", alias)
    waiting.end()
    waiting.seconds()
    published = [publishing.next() for _ in range(3)]
    assert sorted(published) == [("app", "default"), ("app", "default"), ("app", "other")]
    assert publishing.published.empty()


def test_a_ring_during_the_publishing_is_published_after_it(make, waiting):
    begun, go_on = threading.Event(), threading.Event()
    publishing = Publishing()

    def publish(app, using):
        begun.set()
        assert go_on.wait(PATIENCE)
        publishing(app, using)

    doorbell = make(publish, wait=waiting)
    doorbell.ring("app", "default")
    assert begun.wait(PATIENCE)
    # Returns although the thread is busy.
    doorbell.ring("app", "default")
    go_on.set()
    publishing.next()
    waiting.end()
    publishing.next()


def test_rings_of_an_outage_are_one_message_when_it_is_over(make, waiting, caplog):
    publishing = Publishing(failures=3)
    doorbell = make(publishing, breaker=Breaker(draw=lambda: 0.0), wait=waiting)
    for seconds in (1, 2, 4):
        for _ in range(10):
            doorbell.ring("app", "default")
        assert waiting.seconds() == seconds
        waiting.end()
    assert publishing.next() == ("app", "default")
    assert waiting.seconds() == WINDOW_SECONDS
    waiting.end()
    assert publishing.published.empty()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_an_outage_ends_without_another_ring(make, waiting):
    publishing = Publishing(failures=1)
    make(publishing, wait=waiting).ring("app", "default")
    waiting.seconds()
    waiting.end()
    assert publishing.next() == ("app", "default")


def test_in_an_outage_no_log_is_tried_after_the_first(make):
    tried = []

    def publish(app, using):
        tried.append(using)
        raise OSError

    doorbell = make(publish)
    doorbell._rung = {"default": "app", "other": "app"}
    doorbell.publish_rung()
    assert tried == ["default"]
    assert doorbell._rung == {"other": "app", "default": "app"}
    doorbell._rung.clear()


def test_a_message_that_failed_is_for_the_app_of_the_latest_ring(make):
    published = []

    def publish(app, using):
        published.append(app)
        if app == "old":
            doorbell._rung[using] = "new"
            raise OSError

    doorbell = make(publish)
    doorbell._rung = {"default": "old"}
    for _ in range(2):
        doorbell.publish_rung()
    assert published == ["old", "new"]


def test_of_many_rings_by_many_threads_none_is_lost(make):
    rung = dict.fromkeys(("a", "b"), 0)
    published = dict(rung)
    lock = threading.Lock()
    slowness = random.Random(1)

    def publish(app, using):
        # What had been rung by the time that the message began.
        count = rung[using]
        if slowness.random() < 0.3:
            time.sleep(0.001)
        published[using] = max(published[using], count)

    doorbell = make(publish, wait=lambda seconds: time.sleep(slowness.random() / 500))

    def ring():
        for number in range(400):
            alias = "ab"[number % 2]
            with lock:
                rung[alias] += 1
            doorbell.ring("app", alias)

    ringers = [threading.Thread(target=ring) for _ in range(4)]
    for ringer in ringers:
        ringer.start()
    for ringer in ringers:
        ringer.join(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while published != rung and time.monotonic() < deadline:
        time.sleep(0.001)
    assert published == rung == {"a": 800, "b": 800}
    doorbell._wait = lambda seconds: None


# Where there can be no thread.


def test_a_thread_that_cannot_be_started_is_one_warning_and_tried_again(make, monkeypatch, caplog):
    publishing = Publishing()
    doorbell = make(publishing)
    with monkeypatch.context() as patch:

        def refuse(thread):
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        doorbell.ring("app", "default")
        doorbell.ring("app", "other")
    assert caplog.messages == [
        "The doorbell's thread cannot be started (can't start new thread); events wait for the sweep"
    ]
    doorbell.ring("app", "default")
    assert sorted([publishing.next(), publishing.next()]) == [("app", "default"), ("app", "other")]


def test_a_ring_while_another_one_starts_the_thread_starts_no_second(make):
    publishing = Publishing()
    doorbell = make(publishing)
    with doorbell._starting:
        doorbell.ring("app", "other")
        assert threads() == []
    doorbell.ring("app", "default")
    assert sorted([publishing.next(), publishing.next()]) == [("app", "default"), ("app", "other")]


def test_a_thread_that_was_started_meanwhile_is_not_started_again(make):
    doorbell = make(Publishing())
    doorbell.ring("app", "default")
    before = threads()
    doorbell._start()
    assert threads() == before


def test_two_rings_may_wake_the_thread_at_the_same_moment(make, waiting):
    publishing = Publishing()
    doorbell = make(publishing, wait=waiting)
    doorbell.ring("app", "default")
    publishing.next()
    waiting.seconds()

    class QuickerAnother:
        """Its lock is released by somebody else between the look and the release."""

        def locked(self):
            return True

        def release(self):
            raise RuntimeError("release unlocked lock")

    silence, doorbell._silence = doorbell._silence, QuickerAnother()
    doorbell.ring("app", "default")
    doorbell._silence = silence
    waiting.end()
    publishing.next()


# The end of the process.


def test_the_end_publishes_what_was_rung_last(make):
    publishing = Publishing()
    doorbell = make(publishing)
    for number in range(20):
        doorbell.ring("app", f"log {number}")
    doorbell.close()
    assert len(threads()) == 0
    assert {publishing.next()[1] for _ in range(20)} == {f"log {number}" for number in range(20)}


def test_the_end_does_not_wait_for_an_outage(make):
    doorbell = make(Publishing(failures=1_000_000), breaker=Breaker(draw=lambda: 0.0))
    doorbell.ring("app", "default")
    doorbell.close()
    assert threads() == []


def test_the_end_waits_for_a_stuck_broker_no_longer_than_it_may(make, monkeypatch):
    monkeypatch.setattr(thread_module, "FLUSH_SECONDS", 0.01)
    go_on = threading.Event()
    doorbell = make(lambda app, using: go_on.wait(PATIENCE))
    doorbell.ring("app", "default")
    doorbell.close()
    assert len(threads()) == 1
    go_on.set()
    threads()[0].join(PATIENCE)


def test_the_last_thing_that_the_thread_does_is_to_close_its_connection(make):
    done = []
    doorbell = make(lambda app, using: done.append(using), at_end=lambda: done.append("closed"))
    doorbell.ring("app", "default")
    doorbell.close()
    assert done == ["default", "closed"]


def test_a_doorbell_that_was_never_rung_ends(make):
    make(Publishing()).close()


def test_it_can_be_ended_twice(make):
    doorbell = make(Publishing())
    doorbell.ring("app", "default")
    doorbell.close()
    doorbell.close()
    assert threads() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_process_does_not_end_the_doorbell_of_its_parent(make, monkeypatch):
    publishing = Publishing()
    doorbell = make(publishing)
    doorbell.ring("app", "default")
    publishing.next()
    with monkeypatch.context() as patch:
        patch.setattr(doorbell, "pid", doorbell.pid + 1)
        doorbell.close()
    assert len(threads()) == 1
    doorbell.ring("app", "default")
    assert publishing.next() == ("app", "default")
