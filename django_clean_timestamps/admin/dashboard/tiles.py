"""The four tiles on top: a figure, from where on it is bad, how it went, and how it stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.charts import Level, Shown, Sparkline, Threshold, Unit, render, show_value
from django_clean_timestamps.admin.dashboard.limits import ERRORS, LATENCY, OLDEST, QUEUE
from django_clean_timestamps.admin.dashboard.standings import NO_DATA, AlertNow, judged
from django_clean_timestamps.admin.display import show_age
from django_clean_timestamps.admin.marks import Mark
from django_clean_timestamps.metrics.queries.backlog import Backlog, Standing
from django_clean_timestamps.metrics.queries.trends import Trend

__all__ = ["Tile", "make_tiles"]

_POINTS: Final = 96
"""What a sparkline can show."""

_TITLES: Final[dict[str, str | Promise]] = {
    LATENCY: gettext_lazy("p95 latency"),
    ERRORS: gettext_lazy("Validation errors"),
    QUEUE: gettext_lazy("Queue"),
    OLDEST: gettext_lazy("Oldest event"),
}
_UNITS: Final = {LATENCY: Unit.SECONDS, ERRORS: Unit.SHARE, QUEUE: Unit.COUNT, OLDEST: Unit.SECONDS}
_CHARTS: Final = {LATENCY: "latency", ERRORS: "errors", QUEUE: "queue", OLDEST: "queue"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """
    One figure.

    Attributes:
        key: The rule whose figure it is.
        value: The latest, None where there is none.
        period: Of when it is.
        thresholds: From where on it is bad.
        values: How it went, for the sparkline.
        mark: How it stands.
    """

    key: str
    value: float | None
    period: str
    thresholds: tuple[Threshold, ...]
    values: tuple[float | None, ...]
    mark: Mark

    @property
    def title(self) -> str:
        """Its name for people."""
        return str(_TITLES[self.key])

    @property
    def shown(self) -> Shown | None:
        """The figure as people read it."""
        return None if self.value is None else show_value(self.value, _UNITS[self.key])

    @property
    def limit(self) -> str:
        """From where on it is bad, in words; empty where nothing is."""
        words = {Level.WARNING: _("warns over {value}"), Level.CRITICAL: _("critical over {value}")}
        for threshold in self.thresholds:
            return words[threshold.level].format(value=threshold.show(_UNITS[self.key]).isolated)
        return ""

    @property
    def chart(self) -> str:
        """The key of the section that tells more."""
        return _CHARTS[self.key]

    @property
    def spark(self) -> SafeString:
        """How it went, drawn."""
        values = _thinned(self.values)
        return render(Sparkline(key=f"spark-{self.key}", title=self.title, unit=_UNITS[self.key], values=values))


def make_tiles(
    trend: Trend,
    backlog: Backlog,
    standings: Iterable[Standing],
    thresholds: dict[str, tuple[Threshold, ...]],
    alerts: Sequence[AlertNow],
    *,
    is_silent: bool,
) -> list[Tile]:
    """
    Return the four tiles.

    Args:
        trend: Latency and outcomes.
        backlog: How many events waited.
        standings: How each log and subscription stood just now.
        thresholds: By the name of the rule.
        alerts: Those that are not ok.
        is_silent: Whether nobody collects, so that nobody can say how anything stands now.
    """
    loud = [standing for standing in standings if standing.raises_alarm]
    queue = max((each.waiting for each in loud), default=None)
    oldest = max((each.oldest_seconds or 0.0 for each in loud), default=None)
    latest = _("latest {period}").format(period=show_age(trend.step_seconds))
    now = _("when last looked at") if is_silent else _("now")
    figures: dict[str, tuple[float | None, str, tuple[float | None, ...]]] = {
        LATENCY: (_last(trend.p95), latest, trend.p95),
        ERRORS: (_last(trend.error_rate), latest, trend.error_rate),
        QUEUE: (queue, now, backlog.waiting),
        OLDEST: (oldest, now, backlog.oldest_seconds),
    }
    return [
        Tile(
            key=key,
            value=value,
            period=period,
            thresholds=thresholds[key],
            values=values,
            mark=NO_DATA
            if is_silent
            else judged(value, thresholds[key], [alert for alert in alerts if alert.rule == key]),
        )
        for key, (value, period, values) in figures.items()
    ]


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _thinned(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
    """Return the highest of each few values, so that no peak is lost."""
    stride = max(1, -(-len(values) // _POINTS))
    groups = (values[start : start + stride] for start in range(0, len(values), stride))
    return tuple(max((value for value in group if value is not None), default=None) for group in groups)
