"""The charts of how many operations took how long."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts import Bar, BarList, HeatMap, Histogram, Quantile, Threshold
from django_clean_timestamps.metrics.queries.operations import HISTOGRAM_SCALE, Heat, Reason
from django_clean_timestamps.metrics.sketch import Sketch

__all__ = ["heat_chart", "histogram_chart", "reasons_chart"]


def heat_chart(heat: Heat, thresholds: tuple[Threshold, ...]) -> HeatMap | None:
    """Return how many took how long, by time; None where there is none."""
    if not heat.times:
        return None
    return HeatMap(
        key="heat",
        title=_("Latency by time"),
        times=heat.times,
        step=timedelta(seconds=heat.step_seconds),
        bounds=heat.bounds,
        counts=tuple(column if any(column) else None for column in heat.counts),
        thresholds=thresholds,
    )


def histogram_chart(sketch: Sketch, thresholds: tuple[Threshold, ...]) -> Histogram | None:
    """Return how many took how long; None where there is none."""
    rows = sketch.buckets(min(sketch.scale, HISTOGRAM_SCALE))
    if not rows:
        return None
    names = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    quantiles = zip(names, sketch.quantiles(*names.values()), strict=True)
    return Histogram(
        key="histogram",
        title=_("Latencies"),
        bounds=(rows[0][0], *(upper for _lower, upper, _count in rows)),
        counts=tuple(count for _lower, _upper, count in rows),
        quantiles=tuple(Quantile(label=label, value=value) for label, value in quantiles if value is not None),
        thresholds=thresholds,
    )


def reasons_chart(reasons: list[Reason], *, has_models: bool) -> BarList:
    """
    Return how often each reason was given.

    Args:
        reasons: Those that may be seen.
        has_models: Whether they are of several models, so that each is told of which.
    """
    return BarList(
        key="reasons",
        title=_("Reasons"),
        heading=_("Reason"),
        value_heading=_("Operations"),
        bars=tuple(
            Bar(label=f"{each.reason} ({each.model})" if has_models else each.reason, value=each.count)
            for each in reasons
        ),
    )
