import pytest

from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.stamping import parents, updating
from django_clean_timestamps.testing import FakeClock, use_clock
from tests.eventlog.set_based.both_paths import NOW


@pytest.fixture
def clock():
    with use_clock(FakeClock(NOW)) as clock:
        yield clock


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    """Let the events of a few rows, too, be made by the database, where it would otherwise be left to Python."""
    for module in (updating, parents):
        monkeypatch.setattr(module, "FEW", 0)


@pytest.fixture
def no_values(monkeypatch):
    """Fail the test where an event is built in Python."""

    def refuse(self, *args, **kwargs):
        raise AssertionError(f"{type(self).__name__} was built: {kwargs}")

    def forbid():
        for kind in TimestampEvent.__subclasses__():
            monkeypatch.setattr(kind, "__init__", refuse)

    return forbid
