"""Whoever is told of each operation: a queue for the hot path, folded into counts now and then."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from django_clean_timestamps.metrics.details import Details, Observation
from django_clean_timestamps.metrics.limits import limits_of
from django_clean_timestamps.metrics.minutes import MINUTE, Minutes
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.probes import Series

__all__ = ["OTHER", "SERIES_AT_MOST", "Recorder", "new_writer"]

FOLD_AT: Final = 10_000
"""How many observations may wait in the queue."""

SERIES_AT_MOST: Final = 200
"""How many series one process keeps apart."""

OTHER: Final = "__other__"
"""The model and operation of what has no series left."""

logger = logging.getLogger("django_clean_timestamps.metrics")


def new_writer() -> int:
    """Return a number that no other process has: host and pid come again."""
    return secrets.randbits(62) + 1


class Recorder:
    """
    Keeps what it is told until it is flushed; see :class:`django_clean_timestamps.probes.Recorder`.

    Only the end of a deque is touched while something is observed, which is safe for threads and cannot fail. Folding
    takes the lock.

    Args:
        wake: Called once, with the first observation of this process.

    Attributes:
        lock: Guards ``minutes`` and ``details``.
        writer: This process's number.
        dropped: How many observations had no series of their own left.
        skew: How many seconds this machine's clock is ahead of the database's.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.begin()

    def begin(self) -> None:
        """Begin as another process, with nothing seen; also after a fork."""
        self._queue: deque[tuple[Series, float, int, object, str]] = deque()
        self._is_awake = False
        self._series: set[Series] = set()
        self.lock = threading.RLock()
        self.minutes = Minutes(_new_sketch)
        self.details = Details()
        self.writer = new_writer()
        self.dropped = 0
        self.skew = 0.0

    # What is told.

    def observe(self, series: Series, seconds: float, rows: int = 1, key: object = None, reason: str = "") -> None:
        """Keep one operation."""
        queue = self._queue
        queue.append((series, seconds, rows, key, reason))
        if not self._is_awake:
            self.awake()
        if len(queue) >= FOLD_AT:
            self.fold(wait=False)

    def observe_many(self, series: Series, seconds: Sequence[float]) -> None:
        """Keep several operations of a series, a row or event each."""
        self._queue.extend((series, each, 1, None, "") for each in seconds)
        if not self._is_awake:
            self.awake()
        if len(self._queue) >= FOLD_AT:
            self.fold(wait=False)

    def awake(self) -> None:
        """Begin to write; with the first observation, or before it where a process is to be seen without one."""
        self._is_awake = True
        try:
            self._wake()
        except Exception:
            logger.exception("Metrics are kept, but what writes them could not be started")

    @property
    def is_awake(self) -> bool:
        """Whether this process has observed anything."""
        return self._is_awake

    @property
    def has_news(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._queue) or self.minutes.has_news

    # What becomes of it.

    def local_time(self) -> float:
        """Return this machine's time, in seconds since 1970."""
        return time.time()

    def fold(self, *, wait: bool = True) -> None:
        """Count what is in the queue; what fails is logged, and never raised into the work that is observed."""
        if not self.lock.acquire(blocking=wait):
            return
        try:
            self._fold()
        except Exception:
            logger.exception("Observations were lost")
        finally:
            self.lock.release()

    def _fold(self) -> None:
        now = int(self.local_time() - self.skew)
        start = now - now % MINUTE
        self.minutes.compact(start)
        for series, observations in self._taken().items():
            self.minutes.add(
                start,
                series,
                [each[0] for each in observations],
                sum(each[1] for each in observations),
            )
            self.details.add(now, series, observations)

    def _taken(self) -> dict[Series, list[Observation]]:
        """Take what is in the queue now, by series."""
        queue = self._queue
        taken: dict[Series, list[Observation]] = {}
        for _ in range(len(queue)):
            series, seconds, rows, key, reason = queue.popleft()
            if series not in self._series:
                series = self._admitted(series)
            found = taken.get(series)
            if found is None:
                found = taken[series] = []
            found.append((seconds, rows, key, reason))
        return taken

    def _admitted(self, series: Series) -> Series:
        if len(self._series) < SERIES_AT_MOST:
            self._series.add(series)
            return series
        self.dropped += 1
        return (OTHER, OTHER, series[2], "")


def _new_sketch(series: Series) -> Sketch:
    warning, critical = limits_of(series)
    return Sketch(warning=warning, critical=critical)
