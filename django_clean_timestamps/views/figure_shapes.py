"""What the figures look like in JSON: units in the names, times in ISO 8601 and UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.exporters.alerts import AlertStanding
from django_clean_timestamps.metrics.exporters.summary import Summary
from django_clean_timestamps.metrics.queries.backlog import Backlog
from django_clean_timestamps.metrics.queries.filters import Filters
from django_clean_timestamps.metrics.queries.operations import OperationFigures
from django_clean_timestamps.metrics.queries.processes import Freshness
from django_clean_timestamps.metrics.queries.trends import Rates, Trend

__all__ = ["Content", "alerts_shape", "freshness_shape", "series_shape", "summary_shape"]

Content = dict[str, Any]


def summary_shape(found: Summary) -> Content:
    """Return how things stand."""
    operations = found.operations
    return {
        "operations": {
            "since": _time(operations.since),
            "until": _time(operations.until),
            "ok_count": operations.ok,
            "invalid_count": operations.invalid,
            "failed_count": operations.failed,
            "p50_seconds": operations.p50,
            "p95_seconds": operations.p95,
            "p99_seconds": operations.p99,
            "error_rate": operations.error_rate,
            "error_rate_lower": operations.error_lower,
            "error_rate_upper": operations.error_upper,
        },
        "backlog": {
            "waiting_count": found.waiting_count,
            "oldest_seconds": found.oldest_seconds,
            "parked_count": found.parked_count,
            "dead_count": found.dead_count,
        },
        "processes": {"living_count": found.living_count},
    }


def series_shape(
    filters: Filters, *, trend: Trend, rates: Rates, backlog: Backlog, operations: Sequence[OperationFigures]
) -> Content:
    """Return how things went over time."""
    return {
        "filters": {
            "range": filters.range,
            "from": _time(filters.start_at),
            "to": _time(filters.end_at),
            **{name: getattr(filters, name) for name in ("model", "operation", "outcome", "database")},
        },
        "trend": _trend(trend),
        "rates": _rates(rates),
        "backlog": _backlog(backlog),
        "operations": [_operation(each) for each in operations],
    }


def alerts_shape(found: Sequence[AlertStanding], now: datetime) -> Content:
    """Return how the alerts stand at a moment."""
    return {
        "alerts": [
            {
                "rule": each.rule,
                "subject": each.subject,
                "state": each.state,
                "level": each.level,
                "since": _time(each.since),
                "changed_at": _time(each.changed_at),
                "clears_at": _time(each.clears_at),
                "evaluated_at": _time(each.evaluated_at),
                "is_silenced": each.is_silenced(now),
                "silenced_until": _time(each.silenced_until),
                "value": each.value,
                "threshold": each.threshold,
                "unit": each.unit,
                "slow_seconds": each.slow_seconds,
                "window_seconds": each.window_seconds,
            }
            for each in found
        ]
    }


def freshness_shape(freshness: Freshness) -> Content:
    """Return how old the figures are."""
    return {
        "now": _time(freshness.now),
        "sampled_at": _moment(freshness.sampled_at),
        "evaluated_at": _moment(freshness.evaluated_at),
        "age_seconds": freshness.age_seconds,
        "is_silent": freshness.is_silent,
        "is_recording": get_settings().metrics,
    }


def _trend(trend: Trend) -> Content:
    return {
        "step_seconds": trend.step_seconds,
        "times": [_time(each) for each in trend.times],
        "p50_seconds": trend.p50,
        "p95_seconds": trend.p95,
        "p99_seconds": trend.p99,
        "ok_count": trend.ok,
        "invalid_count": trend.invalid,
        "failed_count": trend.failed,
        "error_rate": trend.error_rate,
        "error_rate_lower": trend.error_lower,
        "error_rate_upper": trend.error_upper,
    }


def _rates(rates: Rates) -> Content:
    return {
        "step_seconds": rates.step_seconds,
        "times": [_time(each) for each in rates.times],
        "written_per_second": rates.written,
        "delivered_per_second": rates.delivered,
        "failed_per_second": rates.failed,
    }


def _backlog(backlog: Backlog) -> Content:
    return {
        "step_seconds": backlog.step_seconds,
        "times": [_time(each) for each in backlog.times],
        "waiting_count": backlog.waiting,
        "oldest_seconds": backlog.oldest_seconds,
    }


def _operation(figures: OperationFigures) -> Content:
    return {
        "model": figures.model,
        "operation": figures.operation,
        "database": figures.database,
        "count": figures.count,
        "row_count": figures.row_count,
        "invalid_count": figures.invalid,
        "failed_count": figures.failed,
        "p50_seconds": figures.p50,
        "p95_seconds": figures.p95,
        "p99_seconds": figures.p99,
        "longest_seconds": figures.longest_seconds,
    }


def _moment(seconds: int) -> str | None:
    return _time(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
