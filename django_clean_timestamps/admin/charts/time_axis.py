"""The axis of time: where a moment stands on it, and which round moments of the viewer's zone are written below it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.utils import dateformat, formats, timezone

__all__ = ["TimeAxis", "TimeTick", "moment_writer", "show_moment", "time_axis_of"]

_MOST_TICKS: Final = 7
_DAY: Final = timedelta(days=1)
_STEPS: Final = (
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 5, 7, 14, 28, 56, 112, 364)),
)
_MANY_DAYS: Final = timedelta(days=300)
_LONG_MONTH: Final = re.compile(r"(?<!\\)[FN]")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimeTick:
    """
    A moment that is written below the axis.

    Attributes:
        at: The moment.
        label: As it is written.
        is_day: Whether it is a date among times of day.
    """

    at: datetime
    label: str
    is_day: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimeAxis:
    """
    Where moments stand between the beginning of a drawing, 0, and its end, 1.

    Attributes:
        since: The moment at 0.
        until: The moment at 1, later.
    """

    since: datetime
    until: datetime

    @property
    def span(self) -> timedelta:
        return self.until - self.since

    def share_of(self, moment: datetime) -> float:
        """Return where a moment stands, 0 to 1; one outside stands at the edge."""
        return min(max((moment - self.since) / self.span, 0.0), 1.0)

    def ticks(self) -> tuple[TimeTick, ...]:
        """
        Return the moments that are written below, about seven at most, in the viewer's time zone and language.

        They stand at whole minutes, hours and days of the clock on the wall, also where it changes. Midnight is told by
        its date.
        """
        step = self._step()
        return tuple(self._tick(at, step) for at in self._moments(step))

    def show(self, moment: datetime) -> str:
        """Return a moment as it is told beside the chart: by its time of day where that can mean no other."""
        if self.span <= _DAY:
            return formats.time_format(timezone.localtime(moment), "TIME_FORMAT")
        return show_moment(moment, self.span)

    def _tick(self, at: datetime, step: timedelta) -> TimeTick:
        if step >= _DAY:
            return TimeTick(at=at, label=_day(at), is_day=False)
        if at.time() == time(0):
            return TimeTick(at=at, label=_day(at), is_day=True)
        return TimeTick(at=at, label=formats.time_format(at, "TIME_FORMAT"), is_day=False)

    def _step(self) -> timedelta:
        for step in _STEPS:
            if self.span / step <= _MOST_TICKS:
                return step
        return _STEPS[-1] * math.ceil(self.span / _STEPS[-1] / _MOST_TICKS)

    def _moments(self, step: timedelta) -> list[datetime]:
        zone = timezone.get_current_timezone()
        local = self.since.astimezone(zone).replace(tzinfo=None)
        midnight = datetime.combine(local, time(0))
        if step >= _DAY:
            # Counted from a Monday, so that weeks begin with one, and the ticks stay where they are as time goes on.
            midnight -= timedelta(days=(midnight.toordinal() - 1) % step.days)
        wall = midnight + math.floor((local - midnight) / step) * step
        found = set()
        while (at := wall.replace(tzinfo=zone)).astimezone(UTC) <= self.until:
            # An hour that the clock repeats is there twice, and one that it leaves out is not.
            for moment in (at, at.replace(fold=1)):
                exact = moment.astimezone(UTC)
                if exact.astimezone(zone).replace(tzinfo=None) == wall and self.since <= exact <= self.until:
                    found.add(exact)
            wall += step
        return [moment.astimezone(zone) for moment in sorted(found)]


def time_axis_of(times: Sequence[datetime], step: timedelta) -> TimeAxis:
    """Return the axis of periods that begin at given times, at least one, and last as long."""
    return TimeAxis(since=times[0], until=times[-1] + step)


def show_moment(moment: datetime, span: timedelta) -> str:
    """Return a moment with its date, in the viewer's time zone and language; with the year among more than 300 days."""
    return moment_writer(span)(moment)


def moment_writer(span: timedelta) -> Callable[[datetime], str]:
    """Return what writes moments as :func:`show_moment` does, faster where there are many."""
    if span > _MANY_DAYS:
        return lambda moment: formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")
    zone = timezone.get_current_timezone()
    time_format = formats.get_format("TIME_FORMAT")
    days: dict[date, str] = {}
    # A format may name the zone, and a clock that repeats an hour has two names for it.
    times: dict[tuple[time, timedelta | None], str] = {}

    def write(moment: datetime) -> str:
        local = moment.astimezone(zone)
        day = days.get(local.date())
        if day is None:
            day = days[local.date()] = _day(local)
        key = (local.time(), local.utcoffset())
        time_of_day = times.get(key)
        if time_of_day is None:
            time_of_day = times[key] = dateformat.time_format(local, time_format)
        return f"{day}, {time_of_day}"

    return write


def _day(local: datetime) -> str:
    """Return a date without its year and with the month cut short, in the order of the language."""
    return formats.date_format(local, _LONG_MONTH.sub("M", formats.get_format("MONTH_DAY_FORMAT")))
