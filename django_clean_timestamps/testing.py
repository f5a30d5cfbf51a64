"""Helpers for a project's own tests."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.unit_of_work import capture

__all__ = ["FakeClock", "capture_events"]


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
    A clock that stands still until it is told to move; usable as ``CLEAN_TIMESTAMPS["CLOCK"]``.

    Args:
        now: Where it starts, aware; by default 2026-01-01 00:00 UTC.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 1, 1, tzinfo=UTC)
        self.set(self.now)

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
