"""What the tests of the doorbell share: the process's own thread, and a fake in place of the broker."""

from __future__ import annotations

import os
import queue
import threading

import pytest

from django_clean_timestamps.delivery.doorbell import ringing
from django_clean_timestamps.delivery.registry import on_timestamp

PATIENCE = 20


@pytest.fixture(name="fresh_doorbell")
def fresh_doorbell_fixture(monkeypatch):
    """Let the process have no doorbell yet, and none afterwards."""
    pid = os.getpid()
    monkeypatch.setattr(ringing, "_thread", None)
    monkeypatch.setattr(ringing, "_decision", None)
    yield
    if os.getpid() == pid and ringing._thread is not None:
        ringing._thread.close()


@pytest.fixture(name="heard")
def heard_fixture():
    """Return the events that a handler heard, of which there is one."""
    events = []
    on_timestamp(name="tests.heard")(events.append)
    return events


@pytest.fixture(name="published")
def published_fixture(fresh_doorbell, monkeypatch):
    """Return the queue of what the thread would have published: the app and the alias."""
    published = queue.Queue()

    class Publishing(ringing._Publishing):
        def __call__(self, app, using):
            published.put((app, using))

    monkeypatch.setattr(ringing, "_Publishing", Publishing)
    return published


def doorbell_threads():
    return [each for each in threading.enumerate() if each.name == "clean_timestamps doorbell"]


class Publishing:
    """Takes down what is published, and fails as often as it is told to."""

    def __init__(self, failures=0):
        self.failures = failures
        self.published = queue.Queue()

    def __call__(self, app, using):
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError("nobody")
        self.published.put((app, using))

    def next(self):
        return self.published.get(timeout=PATIENCE)


class Waiting:
    """Stands in for the passing of time: the thread waits until the test lets it go on."""

    def __init__(self):
        self.begun = queue.Queue()
        self.over = queue.Queue()

    def __call__(self, seconds):
        self.begun.put(seconds)
        self.over.get(timeout=PATIENCE)

    def seconds(self):
        """Return how long the thread has begun to wait."""
        return self.begun.get(timeout=PATIENCE)

    def end(self):
        self.over.put(None)
