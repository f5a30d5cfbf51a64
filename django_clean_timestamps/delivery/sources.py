"""Where a batch comes from, and what becomes of its events: a window of the log, or an event that was parked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import HandlerFailed, full_jitter, one_line
from django_clean_timestamps.delivery.leases import OUTAGE_AFTER, Lease
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.parking import Parking
from django_clean_timestamps.delivery.windows import Window, entity_key
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.exceptions import RetryLater

__all__ = ["RetrySource", "Source", "WindowSource", "Withdrawn", "Work", "outage_seconds", "work_of"]

State = ParkedEvent.State

LONGEST_OUTAGE_STEP: Final = 60.0
"""How long a subscription that backs off waits at most before it probes again, in seconds."""


class Withdrawn(Exception):  # noqa: N818 - a state of the parked event
    """Somebody skipped a parked event while it ran, so it must not have happened; its effects are rolled back."""


class Source(ABC):
    """
    The events that a batch handles, in order.

    Attributes:
        lease: The subscription's.
        events: What is left of them.
        parked_count: How many failed and were parked, or parked again.
    """

    def __init__(self, lease: Lease, parking: Parking, events: Sequence[TimestampEvent]) -> None:
        self.lease = lease
        self.parking = parking
        self.events = list(events)
        self.parked_count = 0

    @abstractmethod
    def settle(self, count: int, *, leave: bool) -> None:
        """Do with the first ``count`` events what is done once they are handled, inside the handler's transaction."""

    @abstractmethod
    def fail(self, failed: HandlerFailed, *, leave: bool) -> None:
        """Put the first event, which failed alone, where it is tried again, inside a transaction."""

    def drop(self, count: int) -> None:
        """Take the first events off, once they are settled for good."""
        del self.events[:count]

    @property
    def is_free(self) -> bool:
        """
        Whether a failure counts against nobody: the event only finds out if an outage is over.

        Now and then one counts all the same, or a row of bad events would be taken for an outage for ever.
        """
        probes = self.lease.failures + 1 - OUTAGE_AFTER
        return self.lease.shard.failures >= OUTAGE_AFTER and probes % self.parking.handler.attempts_allowed != 0

    def _later(self, error: Exception, failures: int) -> tuple[int, float]:
        """Return how many attempts have failed and how long to wait, after one more."""
        if isinstance(error, RetryLater):
            return failures, error.seconds
        return failures + 1, self.parking.backoff_seconds(failures)

    def _state(self, error: Exception, attempts: int) -> str:
        is_dead = not isinstance(error, RetryLater) and attempts >= self.parking.handler.attempts_allowed
        return State.DEAD if is_dead else State.RETRY

    def _close(self, error: Exception, cursor: int | None, *, leave: bool) -> None:
        """Move the subscription after a failure that was counted; one that fails for everybody backs off."""
        if self.lease.failures >= OUTAGE_AFTER:
            asked = error.seconds if isinstance(error, RetryLater) else 0.0
            seconds = max(asked, outage_seconds(self.lease.failures - OUTAGE_AFTER))
            self.lease.back_off(cursor, seconds=seconds, problem=one_line(error))
        elif leave:
            self.lease.leave(cursor)
        else:
            self.lease.step(cursor)


class Work(NamedTuple):
    """
    What is to be done with a window.

    Attributes:
        events: Those to be handled, in order.
        behind: Those that are to wait behind a parked one of the same entity, in order.
        end: The position that is done with after that.
    """

    events: tuple[TimestampEvent, ...]
    behind: tuple[TimestampEvent, ...]
    end: int

    @property
    def first(self) -> Work:
        """The first event alone, and what waits before it."""
        if len(self.events) < 2:
            return self
        return self._replace(events=self.events[:1], end=_position(self.events[0]))


def work_of(window: Window, parking: Parking, *, has_parked: bool) -> Work:
    """Return what is to be done with a window; a handler that coalesces hears the last event of each entity alone."""
    events = window.events
    behind: tuple[TimestampEvent, ...] = ()
    held = parking.held_keys({entity_key(event) for event in events}) if has_parked and events else set()
    if held:
        behind = tuple(event for event in events if entity_key(event) in held)
        events = tuple(event for event in events if entity_key(event) not in held)
    if parking.handler.coalesce:
        events = tuple(sorted({entity_key(event): event for event in events}.values(), key=_position))
    return Work(events, behind, window.end)


class WindowSource(Source):
    """
    The events of a window that are to be handled.

    Args:
        lease: The subscription's.
        parking: Of its handler.
        work: What is to be done.
    """

    def __init__(self, lease: Lease, parking: Parking, work: Work) -> None:
        super().__init__(lease, parking, work.events)
        self.behind = list(work.behind)
        self.end = work.end

    def settle(self, count: int, *, leave: bool) -> None:
        self.lease.failures = 0
        cursor = self.park_behind(count)
        if leave:
            self.lease.leave(cursor)
        else:
            self.lease.step(cursor, running=self._runs_next(count))

    def fail(self, failed: HandlerFailed, *, leave: bool) -> None:
        event, error = self.events[0], failed.error
        if self.is_free:
            self.lease.failures += 1
            self._close(error, None, leave=leave)
            self.events.clear()
            return
        attempts, seconds = self._later(error, 0)
        state = self._state(error, attempts)
        self.parking.park(event, state=state, attempts=attempts, seconds=seconds, error=one_line(error))
        self.parked_count += 1
        if state == State.RETRY or self.parking.handler.on_dead == "block":
            self._hold(entity_key(event))
        self.lease.failures += 1
        self._close(error, self.park_behind(1), leave=leave)

    def bury(self, error: str) -> None:
        """Park the first event as dead: it ends its process."""
        event = self.events[0]
        self.parking.park(event, state=State.DEAD, attempts=self.lease.unfinished, seconds=0, error=error)
        self.parked_count += 1
        if self.parking.handler.on_dead == "block":
            self._hold(entity_key(event))
        self.lease.leave(self.park_behind(1))

    def _runs_next(self, count: int) -> int | None:
        """Return the position of what runs next, and alone since outside a transaction there is no batch."""
        is_alone = not self.parking.handler.atomic and not self.parking.handler.batch
        return self.events[count].position if is_alone and count < len(self.events) else None

    def _hold(self, key: str) -> None:
        later = self.events[1:]
        self.behind += [event for event in later if entity_key(event) == key]
        self.behind.sort(key=_position)
        self.events[1:] = [event for event in later if entity_key(event) != key]

    def park_behind(self, count: int) -> int:
        """Park those that wait and lie before the next event to be handled; return the position before that."""
        cursor = self.end if count >= len(self.events) else _position(self.events[count]) - 1
        passed = [event for event in self.behind if _position(event) <= cursor]
        if passed:
            self.parking.park_behind(passed)
        return cursor

    def drop(self, count: int) -> None:
        super().drop(count)
        cursor = self.lease.cursor
        self.behind = [event for event in self.behind if _position(event) > cursor]


class RetrySource(Source):
    """
    A parked event that is due and claimed.

    Args:
        lease: The subscription's.
        parking: Of its handler.
        row: The parked event; its attempt is counted already.
    """

    def __init__(self, lease: Lease, parking: Parking, row: ParkedEvent) -> None:
        super().__init__(lease, parking, [TimestampEvent.from_dict(row.event)])
        self.row = row

    def settle(self, count: int, *, leave: bool) -> None:
        self.lease.failures = 0
        if not self.parking.settle(self.row):
            raise Withdrawn
        self.parking.let_go(self.row.entity_key)
        self.lease.step()

    def fail(self, failed: HandlerFailed, *, leave: bool) -> None:
        error = failed.error
        attempts, seconds = self._later(error, self.row.attempts - 1)
        if self.is_free:
            attempts = self.row.attempts - 1
        state = self._state(error, attempts)
        self.parking.postpone(self.row, state=state, attempts=attempts, seconds=seconds, error=one_line(error))
        self.parked_count += 1
        if state == State.DEAD and self.parking.handler.on_dead == "skip":
            self.parking.let_go(self.row.entity_key)
        # It may be the same entity again and again, which is no outage; but it may show that one goes on.
        if self.lease.failures >= OUTAGE_AFTER:
            self.lease.failures += 1
        self._close(error, None, leave=False)

    def give_up(self) -> None:
        """Take it for dead without another attempt: the last ones ended their processes."""
        error = f"Its process ended while it ran, at attempt {self.row.attempts}"
        self.parking.postpone(self.row, state=State.DEAD, attempts=self.row.attempts, seconds=0, error=error)
        if self.parking.handler.on_dead == "skip":
            self.parking.let_go(self.row.entity_key)


def outage_seconds(probes: int) -> float:
    """Return how long to wait after so many probes in vain, by chance, at most a minute."""
    base, cap = get_settings().backoff_seconds
    step = full_jitter(probes, base=timedelta(seconds=base), cap=timedelta(seconds=min(cap, LONGEST_OUTAGE_STEP)))
    return step.total_seconds()


def _position(event: TimestampEvent) -> int:
    return event.position or 0
