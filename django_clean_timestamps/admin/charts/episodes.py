"""The chart of when alerts fired: a row for each rule, an interval for each episode."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.charts.checking import check_key
from django_clean_timestamps.admin.charts.drawing import TimeMark, percent, time_marks
from django_clean_timestamps.admin.charts.table import Column, Table, caption_of
from django_clean_timestamps.admin.charts.time_axis import TimeAxis
from django_clean_timestamps.admin.charts.units import Unit, isolate
from django_clean_timestamps.admin.charts.values import Level

__all__ = [
    "DrawnEpisode",
    "DrawnRow",
    "Episode",
    "EpisodeChart",
    "EpisodeDrawing",
    "EpisodeRow",
    "draw_episodes",
    "episode_summary",
    "episode_table",
]

# Less could not be seen.
_LEAST_WIDTH: Final = 0.005


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """
    How long something was bad.

    Attributes:
        level: How bad.
        began_at: When it began; aware.
        ended_at: When it ended, None while it goes on.
    """

    level: Level
    began_at: datetime
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.began_at.tzinfo is None or (self.ended_at is not None and self.ended_at.tzinfo is None):
            raise ValueError(f"an episode's times are naive ({self.began_at}, {self.ended_at}); give aware ones")
        if self.ended_at is not None and self.ended_at < self.began_at:
            raise ValueError(f"an episode that began at {self.began_at} cannot end at {self.ended_at}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """
    What an alert is about, with its episodes.

    Attributes:
        label: Its name for people.
        episodes: In any order.
    """

    label: str
    episodes: tuple[Episode, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeChart:
    """
    When alerts fired.

    Attributes:
        key: Its name on the page, once on each.
        title: What people call it.
        since: Where the drawing begins; what began earlier begins at its edge.
        until: Where it ends, later; until then what goes on is drawn.
        rows: From the top.
    """

    key: str
    title: str
    since: datetime
    until: datetime
    rows: tuple[EpisodeRow, ...]

    def __post_init__(self) -> None:
        check_key(self.key)
        if self.since.tzinfo is None or self.until.tzinfo is None or self.since >= self.until:
            raise ValueError(
                f"{self.key}: from {self.since} to {self.until} is no time to draw; give aware times that rise"
            )

    @property
    def shown(self) -> tuple[tuple[EpisodeRow, Episode], ...]:
        """The episodes that touch the time of the drawing, each with its row."""
        return tuple((row, each) for row in self.rows for each in row.episodes if self.is_inside(each))

    def is_inside(self, episode: Episode) -> bool:
        """Return whether an episode touches the time of the drawing."""
        return episode.began_at < self.until and (episode.ended_at is None or episode.ended_at > self.since)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnEpisode:
    """
    An interval.

    Attributes:
        level: How bad.
        x: Where it begins, in per cent.
        width: In per cent; never too little to be seen.
        is_open: Whether it goes on.
        told: What it is, for who points at it.
    """

    level: Level
    x: str
    width: str
    is_open: bool
    told: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRow:
    """
    A row.

    Attributes:
        label: Its name.
        episodes: Its intervals; the worst last, and so in front.
    """

    label: str
    episodes: list[DrawnEpisode]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeDrawing:
    """
    The places of everything in a chart of episodes.

    Attributes:
        time_axis: Where moments stand.
        marks: The moments below.
        rows: From the top.
        levels: Which occur, for the legend.
    """

    time_axis: TimeAxis
    marks: list[TimeMark]
    rows: list[DrawnRow]
    levels: list[Level]


def draw_episodes(chart: EpisodeChart) -> EpisodeDrawing | None:
    """Return the places of everything in a chart of episodes, None where it has no row."""
    if not chart.rows:
        return None
    axis = TimeAxis(since=chart.since, until=chart.until)
    rows = [
        DrawnRow(
            label=row.label,
            episodes=[_draw(each, axis) for each in sorted(row.episodes, key=_badness) if chart.is_inside(each)],
        )
        for row in chart.rows
    ]
    found = {each.level for _row, each in chart.shown}
    return EpisodeDrawing(
        time_axis=axis,
        marks=time_marks(axis, has_room_left=False),
        rows=rows,
        levels=[level for level in Level if level in found],
    )


def episode_table(chart: EpisodeChart) -> Table:
    """Return the episodes, as long as they lasted within the time of the drawing or until its end."""
    columns = (
        Column(key="alert", label=_("Alert")),
        Column(key="level", label=_("Level")),
        Column(key="began_at", label=_("Began")),
        Column(key="ended_at", label=_("Ended")),
        Column(key="duration", label=_("Duration"), unit=Unit.SECONDS),
    )
    rows = tuple(
        (
            row.label,
            each.level,
            each.began_at,
            each.ended_at,
            ((each.ended_at or chart.until) - each.began_at).total_seconds(),
        )
        for row, each in chart.shown
    )
    return Table(caption=caption_of(chart.title, chart.since, chart.until), columns=columns, rows=rows)


def episode_summary(chart: EpisodeChart) -> SafeString:
    """Return how many episodes there were, and how many go on."""
    count = len(chart.shown)
    if not count:
        return format_html(_("{label}: none."), label=isolate(chart.title))
    text = format_html(ngettext("{count} episode", "{count} episodes", count), count=count)
    open_count = sum(each.ended_at is None for _row, each in chart.shown)
    if not open_count:
        return format_html(_("{text}; none goes on."), text=text)
    return format_html(
        ngettext("{text}; {count} goes on.", "{text}; {count} go on.", open_count), text=text, count=open_count
    )


def _draw(episode: Episode, axis: TimeAxis) -> DrawnEpisode:
    begin = axis.share_of(episode.began_at)
    end = axis.share_of(episode.ended_at or axis.until)
    width = max(end - begin, _LEAST_WIDTH)
    if episode.ended_at is None:
        told = _("{level}, since {began_at}").format(level=episode.level.label, began_at=axis.show(episode.began_at))
    else:
        told = _("{level}, {began_at} to {ended_at}").format(
            level=episode.level.label, began_at=axis.show(episode.began_at), ended_at=axis.show(episode.ended_at)
        )
    return DrawnEpisode(
        level=episode.level,
        x=percent(min(begin, 1 - width)),
        width=percent(width),
        is_open=episode.ended_at is None,
        told=told,
    )


def _badness(episode: Episode) -> int:
    return [Level.NO_DATA, Level.WARNING, Level.CRITICAL].index(episode.level)
