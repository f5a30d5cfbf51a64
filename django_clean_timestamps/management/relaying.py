"""The relay: drains logs and lets old events go, once or again and again."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import Any, Final, NamedTuple

from django.db import connections

from django_clean_timestamps.delivery.doorbell import draining
from django_clean_timestamps.delivery.drain import Drained, drain
from django_clean_timestamps.eventlog.retention import prune_if_due
from django_clean_timestamps.management.log_command import FAILURES, one_line
from django_clean_timestamps.metrics.recording import FLUSHER

__all__ = ["INTERVAL_SECONDS", "Relayed", "Watch", "relay_log", "stopped_by_signals"]

INTERVAL_SECONDS: Final = 0.25
"""How long a watch waits at most where there are handlers: a look that finds nothing costs a millisecond or two."""

FIRST_PAUSE_SECONDS: Final = 0.02
"""How long it waits after something was found; twice as long after each look that finds nothing."""

FAILING_SECONDS: Final = 1.0
"""How long a database that failed is left alone at least."""

SLICE_SECONDS: Final = 1.0
"""How long one drain works at most: between two of them progress is told, and the other logs have their turn."""

CONNECTION_SECONDS: Final = 10.0
"""How often connections are looked at that may be too old: to open one costs more than to look."""

SECONDS_BETWEEN_PRUNES: Final = 3_600.0
"""How often a running relay asks whether a prune is due."""

ShouldStop = Callable[[], bool]

_LOGGER: Final = logging.getLogger(__name__)


class Relayed(NamedTuple):
    """What was done to a log: events that got a position, were handled, failed and were parked, were deleted."""

    sequenced: int = 0
    delivered: int = 0
    parked: int = 0
    pruned: int = 0

    def plus(self, drained: Drained) -> Relayed:
        """Return this and what a drain did."""
        return self._replace(
            sequenced=self.sequenced + drained.sequenced,
            delivered=self.delivered + drained.delivered,
            parked=self.parked + drained.parked,
        )


def relay_log(alias: str, *, should_stop: ShouldStop, progress: Callable[[Relayed], None]) -> Relayed:
    """
    Drain a log until nothing is due, prune it if that is due, and return what was done.

    Args:
        alias: The log's database alias.
        should_stop: Asked between two batches.
        progress: Called again and again with what was done so far.

    Raises:
        Error: A database cannot be reached.
        CleanTimestampsError: The log cannot be drained or pruned as things stand.
    """
    relayed, is_finished = Relayed(), False
    while not (is_finished or should_stop()):
        drained = _drain(alias, should_stop)
        relayed, is_finished = relayed.plus(drained), drained.is_finished
        progress(relayed)

    def count(pruned: int) -> None:
        progress(relayed._replace(pruned=pruned))

    return relayed._replace(pruned=_prune(alias, should_stop, count))


class Found(IntEnum):
    """What a look at some logs has found."""

    NOTHING = 0
    NEWS = 1
    MORE = 2
    """More than there was time for."""


class Watch:
    """
    Looks at some logs again and again, and does what Celery's workers do.

    A database that fails is logged once and asked again each second, over a new connection.

    Args:
        aliases: The logs' database aliases.
        is_meant: Asked until it says yes, for each alias that was not named.
        report: Called with an alias and what was done, where anything was.
        stop: Ends what is under way, after the batch that is handled.
    """

    def __init__(
        self,
        aliases: Sequence[str],
        *,
        is_meant: Callable[[str], bool],
        report: Callable[[str, Relayed], None],
        stop: threading.Event,
    ) -> None:
        self.aliases = aliases
        self.is_meant = is_meant
        self.report = report
        self.stop = stop
        self._known: set[str] = set()
        self._failing: dict[str, str] = {}
        self._failed_at: dict[str, float] = {}
        self._pruned_at: dict[str, float] = {}
        self._connections_at = time.monotonic()

    def run(self, interval: float) -> None:
        """Make rounds until ``stop`` is set: soon where something was found, ``interval`` seconds apart at most."""
        pause = 0.0
        while not self.stop.is_set():
            found = self.look_round()
            FLUSHER.flush_here()
            if found is not Found.MORE:
                pause = FIRST_PAUSE_SECONDS if found is Found.NEWS else max(2 * pause, FIRST_PAUSE_SECONDS)
                self.stop.wait(min(pause, interval))

    def look_round(self) -> Found:
        """Give each log its turn, and say what was found."""
        self._refresh_connections()
        return max((self._look_at(alias) for alias in self.aliases if not self.stop.is_set()), default=Found.NOTHING)

    def _refresh_connections(self) -> None:
        """Close what is broken at once, and now and then what is too old, as Django does with each request."""
        now = time.monotonic()
        is_due = now - self._connections_at >= CONNECTION_SECONDS
        if is_due:
            self._connections_at = now
        for connection in connections.all(initialized_only=True):
            if is_due or connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()

    def _look_at(self, alias: str) -> Found:
        if time.monotonic() - self._failed_at.get(alias, -math.inf) < FAILING_SECONDS:
            return Found.NOTHING
        try:
            if alias not in self._known and not self.is_meant(alias):
                return Found.NOTHING
            self._known.add(alias)
            drained = _drain(alias, self.stop.is_set)
        except FAILURES as error:
            self._note_failure(alias, one_line(error))
            return Found.NOTHING
        if self._failing.pop(alias, None) is not None:
            _LOGGER.warning("The log of %r is drained again", alias)
        relayed = Relayed(pruned=self._prune(alias)).plus(drained)
        if any(relayed):
            self.report(alias, relayed)
        if not drained.is_finished:
            return Found.MORE
        return Found.NEWS if any(relayed) else Found.NOTHING

    def _note_failure(self, alias: str, text: str) -> None:
        if self._failing.get(alias) != text:
            _LOGGER.warning("The log of %r could not be drained, and is tried again: %s", alias, text)
        self._failing[alias] = text
        self._failed_at[alias] = time.monotonic()
        # The next look opens a new one.
        connections[alias].close()

    def _prune(self, alias: str) -> int:
        now = time.monotonic()
        if now - self._pruned_at.get(alias, -math.inf) < SECONDS_BETWEEN_PRUNES:
            return 0
        self._pruned_at[alias] = now
        pruned = 0

        def count(so_far: int) -> None:
            nonlocal pruned
            pruned = so_far

        try:
            _prune(alias, self.stop.is_set, count)
        except FAILURES as error:
            # Old events can wait, new ones cannot.
            _LOGGER.warning("The log of %r could not be pruned: %s", alias, one_line(error))
            connections[alias].close()
        return pruned


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set the event, once; a second one does what it did before. In the main thread only."""
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        restore()


def _drain(alias: str, should_stop: ShouldStop) -> Drained:
    # What handlers write is found before the drain ends, so nobody else need be called.
    with draining(alias):
        return drain(alias, seconds=SLICE_SECONDS, should_stop=should_stop)


def _prune(alias: str, should_stop: ShouldStop, progress: Callable[[int], None]) -> int:
    pruned = 0

    def count(so_far: int) -> None:
        nonlocal pruned
        pruned = so_far
        progress(so_far)
        if should_stop():
            raise _Stopped

    try:
        if not should_stop():
            prune_if_due(alias, progress=count)
    except _Stopped:
        pass
    return pruned


class _Stopped(Exception):  # noqa: N818 - no error
    pass
