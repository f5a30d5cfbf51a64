"""Helpers for a project's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from django.conf import settings
from django.db import connections, router, transaction
from django.test.testcases import DatabaseOperationForbidden  # type: ignore[attr-defined]
from django.test.utils import override_settings

from django_clean_timestamps.conf import SETTING_NAME, get_settings
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.metrics.keeping import Keeper
from django_clean_timestamps.metrics.process import describe_process
from django_clean_timestamps.metrics.recording import RECORDER
from django_clean_timestamps.metrics.store import Store
from django_clean_timestamps.unit_of_work import capture

__all__ = [
    "FakeClock",
    "capture_events",
    "clock_in_use",
    "drain_all",
    "flush_metrics",
    "forget_metrics",
    "use_clock",
]

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


def drain_all(using: str | None = None) -> int:
    """
    Do what is otherwise done asynchronously, until nothing is due; return how many events got a position.

    Every event of the log has its position afterwards, and every handler has heard what it is subscribed to. What a
    handler raises parks the event, as in production: look into ``ParkedEvent``. Works in a ``TestCase``, inside its own
    transaction but not inside another ``atomic()`` block of the test, and in a ``TransactionTestCase``.

    Args:
        using: The log's database alias; by default those of every log that the test may use.

    Raises:
        SequencingError: Inside an ``atomic()`` block.
        EventLogMissingError: The tables are not there.

    Example:
        ::

            task.touch("reviewed")
            assert drain_all() == 1
            assert changed_since(models=[Task]).changes[-1].reason == "reviewed"
    """
    if using is not None:
        return drain(using).sequenced
    moved = 0
    for alias in connections:
        if router.allow_migrate_model(alias, Event):
            with suppress(DatabaseOperationForbidden):
                moved += drain(alias).sequenced
    return moved


def flush_metrics() -> int:
    """
    Write what was observed since the last call, sum it up, and return how many operations that were.

    Under a test runner nothing is written by itself. This writes on the caller's own connection to
    ``METRICS_DATABASE``, in a ``TestCase`` inside its transaction. Begin a test with :func:`forget_metrics`, or what
    earlier ones did is among it.

    Example:
        ::

            forget_metrics()
            task.save()
            assert flush_metrics() == 2  # the save, and its event's write
    """
    using = get_settings().metrics_database
    # A store of its own: the series that another one remembers may have been rolled back with their test.
    store = Store(RECORDER, using, describe_process())
    with transaction.atomic(using=using):
        RECORDER.fold()
        count = RECORDER.minutes.count
        store.flush()
        store.beat()
        Keeper(_KEEPER, using).keep()
    forget_metrics()
    return count


_KEEPER: Final = 1
"""Whoever keeps house in tests: one for all calls, so that none waits for the lease of the one before."""


def forget_metrics() -> None:
    """Forget what this process has observed and not written."""
    RECORDER.begin()


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
