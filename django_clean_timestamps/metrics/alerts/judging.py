"""What figures mean by a rule: ok, a warning, critical, or that there are none."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django_clean_timestamps.metrics.alerts.built_in import HOUR_SECONDS, Kind, Rule

__all__ = ["Level", "Minute", "Verdict", "judge_gauge", "judge_minutes", "ladder_of", "wilson_bounds"]

Z: Final = 2.58
"""Of the bounds: one in 200 lies beyond one of them by chance."""
LEAST_BAD: Final = 5
"""
So many must be bad before anything is said, and a window holds enough once a threshold's share of it is as many.

There is no minimum of operations, so that five failures out of five are told of in the quietest project. Taking a
window for enough as soon as it holds five bad ones tells of a jump a little earlier, but picks the windows in which
chance was at its worst: three to eleven times as many false alerts at 3 to 200 operations a minute.
"""
WIDENING: Final = (1, 3, 6, 12)
"""How many times the shortest window each next one is, up to an hour: 5, 15, 30 and 60 minutes."""
_RECENT: Final = timedelta(minutes=15)
"""Within it a writer may still add to a minute."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    NO_DATA = "no_data"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """
    What was counted in one minute.

    Attributes:
        start: When it began, aware; by the database's clock.
        bad_warning: How many operations were over the warning threshold, or failed.
        bad_critical: How many were over the critical one, or failed.
        total: How many there were.
    """

    start: datetime
    bad_warning: int
    bad_critical: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What figures mean by a rule, and why.

    Attributes:
        level: How bad it is.
        value: The figure: of a gauge as given, of others the share of operations that were bad, 0 to 1; None where
            there is none.
        limit: What it was held against, in the same measure; that of the level, of the lowest where it is ok; None
            where there is none.
        window_seconds: How far back it was looked, 0 for a gauge.
        bad: How many were bad in that window.
        total: How many there were.
        lower: What the share is at least, by the counts.
        upper: What it is at most.
        data_version: Differs once there is new data; "" where there is none.
    """

    level: Level
    value: float | None = None
    limit: float | None = None
    window_seconds: int = 0
    bad: int = 0
    total: int = 0
    lower: float | None = None
    upper: float | None = None
    data_version: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether it is a warning or critical."""
        return self.level in (Level.WARNING, Level.CRITICAL)


def judge_minutes(rule: Rule, minutes: Sequence[Minute], *, now: datetime) -> Verdict:
    """
    Return what a subject's counts mean by a rule of shares or rates.

    A level is reached once the lower bound of the share of bad operations is over its limit, in the shortest window
    that holds enough operations to tell, or else in the last hour. Each level has its own window.

    Args:
        rule: One of ``SHARE`` or ``RATE``.
        minutes: The last hour's, the newest last and the one that runs among them; those without an operation may
            be left out, older ones are passed over.
        now: By the clock that the minutes have their starts from.
    """
    version = _version_of(minutes)
    verdict = Verdict(level=Level.OK, data_version=version)
    for level in (Level.CRITICAL, Level.WARNING):
        limit = _limit_of(rule, level)
        if limit is None:
            continue
        window_seconds, bad, total = _count(minutes, now, ladder_of(rule), limit, level)
        if not total:
            return Verdict(level=Level.NO_DATA, limit=limit, window_seconds=window_seconds)
        lower, upper = wilson_bounds(bad, total)
        is_over = bad >= LEAST_BAD and lower > limit
        verdict = Verdict(
            level=level if is_over else Level.OK,
            value=bad / total,
            limit=limit,
            window_seconds=window_seconds,
            bad=bad,
            total=total,
            lower=lower,
            upper=upper,
            data_version=version,
        )
        if is_over:
            break
    return verdict


def judge_gauge(rule: Rule, value: float | None, *, sampled_at: datetime) -> Verdict:
    """
    Return what one figure means by a rule: a level is reached once it is over its threshold.

    Args:
        rule: One of ``GAUGE``.
        value: The figure in the rule's unit, None where there is none. Of ``collector_silence`` that says that no
            writer is known at all, which counts as the longest silence.
        sampled_at: When it was read; another time makes it new data.
    """
    version = sampled_at.isoformat()
    if value is None and not rule.is_silence:
        return Verdict(level=Level.NO_DATA)
    figure = math.inf if value is None else value
    limits = [(level, _limit_of(rule, level)) for level in (Level.CRITICAL, Level.WARNING)]
    for level, limit in limits:
        if limit is not None and figure > limit:
            return Verdict(level=level, value=value, limit=limit, data_version=version)
    lowest = min((limit for _, limit in limits if limit is not None), default=None)
    return Verdict(level=Level.OK, value=value, limit=lowest, data_version=version)


def ladder_of(rule: Rule) -> tuple[int, ...]:
    """Return the windows that may be judged, in seconds, the shortest first and none longer than an hour."""
    return tuple(sorted({min(rule.window_seconds * times, HOUR_SECONDS) for times in WIDENING}))


def wilson_bounds(bad: int, total: int, z: float = Z) -> tuple[float, float]:
    """
    Return what the true share of bad ones is at least and at most, 0 and 1 where nothing was counted.

    Args:
        bad: How many were bad, 0 to ``total``.
        total: How many there were.
        z: How many standard deviations away chance is thought to end.

    Source:
        E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.
    """
    if not total:
        return 0.0, 1.0
    share, square = bad / total, z * z
    centre = share + square / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    scale = 1 + square / total
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _limit_of(rule: Rule, level: Level) -> float | None:
    threshold = rule.critical if level is Level.CRITICAL else rule.warning
    if threshold is None or rule.kind is Kind.GAUGE:
        return threshold
    return rule.share if rule.kind is Kind.SHARE else threshold / 100


def _count(
    minutes: Sequence[Minute], now: datetime, ladder: Sequence[int], limit: float, level: Level
) -> tuple[int, int, int]:
    """Return the first window that holds enough, or the last, and how many were bad and in all."""
    running = now.replace(second=0, microsecond=0)
    bad = total = 0
    older = len(minutes)
    window_seconds = 0
    for window_seconds in ladder:
        # The minute that runs is the first of the window's.
        before = running - timedelta(seconds=window_seconds)
        while older and minutes[older - 1].start > before:
            older -= 1
            minute = minutes[older]
            bad += minute.bad_critical if level is Level.CRITICAL else minute.bad_warning
            total += minute.total
        if total * limit >= LEAST_BAD:
            break
    return window_seconds, bad, total


def _version_of(minutes: Sequence[Minute]) -> str:
    """Return the newest minute that holds anything, and how many operations are in it and those just before it."""
    filled = [minute for minute in minutes[-_RECENT // timedelta(minutes=1) :] if minute.total]
    if not filled:
        return ""
    newest = filled[-1].start
    return f"{newest.isoformat()} {sum(minute.total for minute in filled if minute.start > newest - _RECENT)}"
