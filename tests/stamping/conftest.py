from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.testing import FakeClock
from tests.stamping.audience import Audience, no_log
from tests.stamping.standing_clock import clock as standing_clock


@pytest.fixture
def clock(settings) -> Iterator[FakeClock]:
    """A clock that stands at 2026-01-01 until the test moves it."""
    start = standing_clock.now
    settings.CLEAN_TIMESTAMPS = {"CLOCK": "tests.stamping.standing_clock.clock"}
    yield standing_clock
    standing_clock.set(start)


@pytest.fixture(params=["nobody", "logged", "captured", "received"])
def audience(request, monkeypatch) -> Audience:
    """Who listens: the test runs once for each."""
    return Audience(request.param, monkeypatch)


@pytest.fixture
def without_log() -> Iterator[None]:
    """Write as without a log."""
    with no_log():
        yield


@pytest.fixture
def queries():
    """Return a context that collects the statements of its block, without savepoints and blocks."""

    class Statements(CaptureQueriesContext):
        @property
        def texts(self) -> list[str]:
            ignored = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")
            return [query["sql"] for query in self.captured_queries if not query["sql"].startswith(ignored)]

        def starting(self, word: str) -> list[str]:
            return [text for text in self.texts if text.startswith(word)]

    return lambda: Statements(connection)


@pytest.fixture
def listener():
    """Connect a project's own receivers."""
    connected = []

    def connect(signal, **options):
        heard = []

        def receive(sender, instance, **_):
            heard.append((sender, instance.pk))

        signal.connect(receive, weak=False, **options)
        connected.append((signal, receive, options.get("sender")))
        return heard

    yield connect
    for signal, receive, sender in connected:
        signal.disconnect(receive, sender=sender)
