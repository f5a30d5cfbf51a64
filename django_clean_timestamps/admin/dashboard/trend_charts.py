"""The charts of how figures went over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts import Band, Bars, Line, LineChart, Threshold, Unit
from django_clean_timestamps.admin.display import show_age
from django_clean_timestamps.metrics.queries.backlog import Backlog
from django_clean_timestamps.metrics.queries.trends import Rates, Trend

__all__ = ["age_chart", "errors_chart", "latency_chart", "outcomes_chart", "queue_chart", "rates_chart"]


def latency_chart(trend: Trend, thresholds: tuple[Threshold, ...]) -> LineChart:
    """Return p50, p95 and p99 over time."""
    return LineChart(
        key="latency",
        title=_("Latency"),
        unit=Unit.SECONDS,
        times=trend.times,
        step=timedelta(seconds=trend.step_seconds),
        lines=(
            Line(key="p95", label="p95", values=trend.p95, style=1),
            Line(key="p50", label="p50", values=trend.p50, style=2),
            Line(key="p99", label="p99", values=trend.p99, style=3),
        ),
        thresholds=thresholds,
        scale="log",
    )


def errors_chart(trend: Trend, thresholds: tuple[Threshold, ...]) -> LineChart:
    """Return the rate of validation errors with what it may truly be, and how many operations it is of."""
    return LineChart(
        key="errors",
        title=_("Validation errors"),
        unit=Unit.SHARE,
        times=trend.times,
        step=timedelta(seconds=trend.step_seconds),
        lines=(Line(key="error_rate", label=_("error rate"), values=trend.error_rate),),
        bands=(Band(key="error", label=_("99% interval"), lower=trend.error_lower, upper=trend.error_upper),),
        bars=Bars(
            key="operations",
            label=_("operations in {period}").format(period=show_age(trend.step_seconds)),
            unit=Unit.COUNT,
            values=_known(trend.total),
        ),
        thresholds=thresholds,
    )


def outcomes_chart(trend: Trend) -> LineChart:
    """Return how many went well, were refused and failed."""
    known = [bool(total) for total in trend.total]

    def where_known(counts: Sequence[int]) -> tuple[float | None, ...]:
        return tuple(
            count / trend.step_seconds if is_known else None for count, is_known in zip(counts, known, strict=True)
        )

    return LineChart(
        key="outcomes",
        title=_("Outcomes"),
        unit=Unit.PER_SECOND,
        times=trend.times,
        step=timedelta(seconds=trend.step_seconds),
        lines=(
            Line(key="ok", label=_("well"), values=where_known(trend.ok), style=2),
            Line(key="invalid", label=_("refused"), values=where_known(trend.invalid), style=5),
            Line(key="failed", label=_("failed"), values=where_known(trend.failed), style=3),
        ),
    )


def queue_chart(backlog: Backlog, thresholds: tuple[Threshold, ...]) -> LineChart:
    """Return how many events waited, at the worst in each period."""
    return LineChart(
        key="queue",
        title=_("Undelivered events"),
        unit=Unit.COUNT,
        times=backlog.times,
        step=timedelta(seconds=backlog.step_seconds),
        lines=(Line(key="waiting", label=_("waiting"), values=backlog.waiting),),
        thresholds=thresholds,
    )


def age_chart(backlog: Backlog, thresholds: tuple[Threshold, ...]) -> LineChart:
    """Return how long the oldest of them had waited."""
    return LineChart(
        key="oldest",
        title=_("Age of the oldest event"),
        unit=Unit.SECONDS,
        times=backlog.times,
        step=timedelta(seconds=backlog.step_seconds),
        lines=(Line(key="oldest", label=_("oldest event"), values=backlog.oldest_seconds),),
        thresholds=thresholds,
    )


def rates_chart(rates: Rates) -> LineChart:
    """Return how many events a second were written, delivered and failed."""
    return LineChart(
        key="rates",
        title=_("Events a second"),
        unit=Unit.PER_SECOND,
        times=rates.times,
        step=timedelta(seconds=rates.step_seconds),
        lines=(
            Line(key="written", label=_("written"), values=rates.written, style=2),
            Line(key="delivered", label=_("delivered"), values=rates.delivered, style=4),
            Line(key="failed", label=_("failed"), values=rates.failed, style=3),
        ),
    )


def _known(counts: Sequence[int]) -> tuple[float | None, ...]:
    """Return counts with None where there was nothing, so that a gap is one in both halves of a chart."""
    return tuple(count or None for count in counts)
