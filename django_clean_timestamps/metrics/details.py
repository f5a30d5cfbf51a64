"""The reasons and the slowest operations of an hour, which are no series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from heapq import nlargest, nsmallest
from typing import Final, NamedTuple

from django_clean_timestamps.events.validation import ENTITY_ID_LENGTH, REASON_LENGTH
from django_clean_timestamps.probes import Series

__all__ = ["EXAMPLES", "HOUR", "REASONS", "Detail", "Details", "Example", "Observation"]

Observation = tuple[float, int, object, str]
"""Seconds, rows, the row's key or None, the reason or nothing."""

HOUR: Final = 3_600

EXAMPLES: Final = 5
"""How many of the slowest operations of a series are kept for an hour."""

REASONS: Final = 20
"""How many reasons of a series are written for an hour, the most frequent."""

REASONS_HELD: Final = 200
"""Past so many the rarest are forgotten: a reason may be another one each time."""

WRITABLE_SECONDS: Final = 600
"""How long after its end an hour may still be written."""


class Example(NamedTuple):
    """A slow operation; ordered by how long it took."""

    seconds: float
    occurred_at: datetime
    entity_id: str
    reason: str


class Detail:
    """The reasons and examples of one series in one hour."""

    __slots__ = ("examples", "has_news", "reasons")

    def __init__(self) -> None:
        self.reasons: dict[str, int] = {}
        self.examples: list[Example] = []
        self.has_news = False

    @property
    def top_reasons(self) -> list[tuple[str, int]]:
        """The most frequent reasons, each with its count."""
        return nlargest(REASONS, self.reasons.items(), key=_frequency)

    def add(self, observations: Sequence[Observation], now: int) -> None:
        """Add operations that ended just now."""
        for _, _, _, reason in observations:
            if reason:
                name = str(reason)[:REASON_LENGTH]
                self.reasons[name] = self.reasons.get(name, 0) + 1
                self.has_news = True
        if len(self.reasons) > REASONS_HELD:
            for name, _ in nsmallest(REASONS_HELD // 2, self.reasons.items(), key=_frequency):
                del self.reasons[name]
        self._keep_slowest(observations, now)

    def _keep_slowest(self, observations: Iterable[Observation], now: int) -> None:
        least = self.examples[-1].seconds if len(self.examples) == EXAMPLES else 0.0
        # What is not about one row cannot be looked up.
        slow = [each for each in observations if each[0] > least and each[2] is not None]
        if slow:
            moment = datetime.fromtimestamp(now, UTC)
            new = [
                Example(seconds, moment, str(key)[:ENTITY_ID_LENGTH], str(reason)[:REASON_LENGTH])
                for seconds, _, key, reason in nlargest(EXAMPLES, slow, key=_duration)
            ]
            self.examples = nlargest(EXAMPLES, [*self.examples, *new])
            self.has_news = True


def _duration(observation: Observation) -> float:
    return observation[0]


def _frequency(item: tuple[str, int]) -> int:
    return item[1]


class Details:
    """The details of this process by hour and series; not safe for threads by itself."""

    def __init__(self) -> None:
        self._details: dict[tuple[int, Series], Detail] = {}

    def add(self, now: int, series: Series, observations: Sequence[Observation]) -> None:
        """Add operations that ended at ``now``, in seconds since 1970."""
        key = (now - now % HOUR, series)
        detail = self._details.get(key)
        if detail is None:
            detail = self._details[key] = Detail()
        detail.add(observations, now)

    def due(self, now: int) -> list[tuple[int, Series, Detail]]:
        """Return what has news, in one order for all processes, and forget the hours that are past."""
        for key in [key for key in self._details if now >= key[0] + HOUR + WRITABLE_SECONDS]:
            del self._details[key]
        return [(*key, detail) for key, detail in sorted(self._details.items()) if detail.has_news]

    def confirm(self, written: Iterable[tuple[int, Series, Detail]]) -> None:
        """Note that the write of these is committed; what came meanwhile is written with the next news."""
        for _, _, detail in written:
            detail.has_news = False
