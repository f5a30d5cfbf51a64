"""The charts of how far each subscription was behind over time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain, count

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.charts import Line, LineChart, Threshold, Unit
from django_clean_timestamps.admin.charts.units import show_count
from django_clean_timestamps.admin.dashboard.content import Section
from django_clean_timestamps.metrics.queries.backlog import Lags, SubscriptionLag

__all__ = ["lag_section"]


def lag_section(lags: Lags, queue_limits: tuple[Threshold, ...], age_limits: tuple[Threshold, ...]) -> Section:
    """
    Return how many events waited for each subscription and how long the oldest had, the worst first.

    Args:
        lags: Of one subscription at least.
        queue_limits: From how many waiting events on it is bad.
        age_limits: From how many seconds on it is.
    """
    shown = list(zip(_keys(lags.furthest), _labels(lags.furthest), lags.furthest, strict=True))
    waiting = tuple(Line(key=key, label=label, values=lag.waiting) for key, label, lag in shown)
    oldest = tuple(Line(key=key, label=label, values=lag.oldest_seconds) for key, label, lag in shown)
    return Section(
        key="section-lag-over-time",
        title=_("Lag of each subscription over time"),
        charts=(
            _chart(lags, "lag-waiting", _("Events waiting, by subscription"), Unit.COUNT, waiting, queue_limits),
            _chart(lags, "lag-oldest", _("Age of the oldest event, by subscription"), Unit.SECONDS, oldest, age_limits),
        ),
        help_text=_others(lags),
    )


def _chart(
    lags: Lags, key: str, title: str, unit: Unit, lines: tuple[Line, ...], limits: tuple[Threshold, ...]
) -> LineChart:
    return LineChart(
        key=key,
        title=title,
        unit=unit,
        times=lags.times,
        step=timedelta(seconds=lags.step_seconds),
        lines=lines,
        thresholds=limits,
    )


def _keys(found: Sequence[SubscriptionLag]) -> list[str]:
    """Return a name for each column of a file, near to that of the handler, which may be any text."""
    keys: list[str] = []
    for lag in found:
        key = re.sub(r"[^a-z0-9]+", "_", lag.handler.lower()).strip("_")
        key = key if key[:1].isalpha() else f"handler_{key}".rstrip("_")
        keys.append(next(each for each in chain([key], (f"{key}_{n}" for n in count(2))) if each not in keys))
    return keys


def _labels(found: Sequence[SubscriptionLag]) -> list[str]:
    """Return what people call each: the handler, and of which log and where if that is not enough."""
    known = Counter(lag.handler for lag in found)
    return [
        lag.handler
        if known[lag.handler] == 1
        else _("{handler} (log {log}, in {database})").format(
            handler=lag.handler, log=lag.log_alias, database=lag.database
        )
        for lag in found
    ]


def _others(lags: Lags) -> str:
    """Return a sentence about those that have no line, "" where there are none."""
    if not lags.others_count:
        return ""
    text = ngettext(
        "Shown are those that were furthest behind; the lag of %(count)d other was never over %(waiting)s.",
        "Shown are those that were furthest behind; the lag of %(count)d others was never over %(waiting)s.",
        lags.others_count,
    )
    return text % {"count": lags.others_count, "waiting": show_count(lags.others_waiting)}
