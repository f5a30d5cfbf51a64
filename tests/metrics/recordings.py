"""A recorder that keeps what it is told, and helpers to make figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django_clean_timestamps import probes
from django_clean_timestamps.metrics.recorder import Recorder


class Heard:
    """Keeps what it is told as ``(model, operation, outcome, rows, key, reason)``."""

    def __init__(self):
        self.told = []

    def observe(self, series, seconds, rows=1, key=None, reason=""):
        assert seconds >= 0
        self.databases = series[3]
        self.told.append((*series[:3], rows, key, reason))

    def observe_many(self, series, seconds):
        for each in seconds:
            self.observe(series, each)

    def operations(self, *, of="testapp"):
        """Return the operations on the models of an app and their outcomes."""
        return [(operation, outcome) for model, operation, outcome, *_ in self.told if model.startswith(of)]


@contextmanager
def hearing() -> Iterator[Heard]:
    """Let the probes tell a list, in the block."""
    before, heard = probes.recorder, Heard()
    probes.connect(heard)
    try:
        yield heard
    finally:
        probes.connect(before)


class FakeTime(Recorder):
    """A recorder whose machine's clock stands still."""

    time = 1_800_000_030.0

    def local_time(self):
        return self.time


def recorder(**values):
    made = FakeTime(lambda: None)
    for name, value in values.items():
        setattr(made, name, value)
    return made
