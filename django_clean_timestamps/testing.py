"""Helpers for a project's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from django.conf import settings
from django.test.utils import override_settings

from django_clean_timestamps.conf import SETTING_NAME
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.unit_of_work import capture

__all__ = ["FakeClock", "capture_events", "clock_in_use", "use_clock"]

ClockT = TypeVar("ClockT", bound=Callable[[], datetime])

# CLOCK is a dotted path, which must lead to one place for every clock: to this stack, whose top is in use.
_clocks: Final[list[Callable[[], datetime]]] = []


def capture_events() -> AbstractContextManager[list[TimestampEvent]]:
    """
    Collect the events that the block raises.

    Yields a list that holds them in order, without those that a savepoint or transaction took back; no COMMIT is
    needed, so it works in a ``TestCase``. Bulk writes build their events as long as it is open.

    Example:
        ::

            with capture_events() as events:
                task.touch("reviewed")
            assert events[0].reason == "reviewed"
    """
    return capture()


class FakeClock:
    """
    A clock that stands still until it is told to move.

    Put in force by :func:`use_clock`, by the fixture ``timestamp_clock``, or, made in a module of the project, by
    ``CLEAN_TIMESTAMPS = {"CLOCK": "project.clock.clock"}``.

    Args:
        now: Where it starts, aware; by default 2026-01-01 00:00 UTC.

    Attributes:
        now: What it says.

    Raises:
        ValueError: ``now`` is naive.

    Example:
        ::

            with use_clock(FakeClock()) as clock:
                task = Task.objects.create()
                clock.tick(60)
                task.touch("a minute later")
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.now: datetime
        self.set(now or datetime(2026, 1, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float = 1) -> datetime:
        """Move on (or back, where negative) and return the new time."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def set(self, when: datetime) -> None:
        """
        Move to a moment.

        Raises:
            ValueError: It is naive.
        """
        if when.utcoffset() is None:
            raise ValueError(f"FakeClock takes an aware datetime, not {when!r}")
        self.now = when


@contextmanager
def use_clock(clock: ClockT) -> Iterator[ClockT]:
    """
    Let the block's stamps be read from the clock, in every thread, and yield it.

    Overrides ``CLEAN_TIMESTAMPS["CLOCK"]`` and keeps its other keys. Nests.
    """
    configured = getattr(settings, SETTING_NAME, None) or {}
    _clocks.append(clock)
    try:
        with override_settings(**{SETTING_NAME: {**configured, "CLOCK": f"{__name__}.{clock_in_use.__name__}"}}):
            yield clock
    finally:
        _clocks.pop()


def clock_in_use() -> datetime:
    """Return what the clock of the innermost :func:`use_clock` says; what ``CLOCK`` names meanwhile."""
    return _clocks[-1]()
