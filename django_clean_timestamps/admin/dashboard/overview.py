"""The first page: how writing and delivering go, at a glance."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.dashboard.alert_states import concerns, open_alerts
from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.content import Content, Empty, Page, Section
from django_clean_timestamps.admin.dashboard.empty_states import collector_silent, never_collected, nothing_in_range
from django_clean_timestamps.admin.dashboard.limits import ERRORS, LATENCY, OLDEST, QUEUE, limits_of, rules_by_name
from django_clean_timestamps.admin.dashboard.operations_table import OperationsTable
from django_clean_timestamps.admin.dashboard.sentences import describe_state
from django_clean_timestamps.admin.dashboard.tiles import make_tiles
from django_clean_timestamps.admin.dashboard.trend_charts import (
    age_chart,
    errors_chart,
    latency_chart,
    queue_chart,
    rates_chart,
)
from django_clean_timestamps.metrics.queries.backlog import Backlog, read_backlog, read_standings
from django_clean_timestamps.metrics.queries.operations import OperationFigures, read_operations
from django_clean_timestamps.metrics.queries.trends import Rates, Trend, read_rates, read_trend

__all__ = ["OVERVIEW"]


def build(asked: Asked) -> Content:
    """Return what the page shows, by eight statements."""
    if empty := never_collected(asked):
        return Content(empty=empty)
    using, filters, series = asked.using, asked.filters, asked.series
    trend = read_trend(using, filters, series)
    rates = read_rates(using, filters, series)
    backlog = read_backlog(using, filters)
    figures = read_operations(using, filters, series)
    standings = read_standings(using, asked.freshness.sampled_at)
    found = asked.alerts
    alerts = open_alerts(found)
    asked_for = open_alerts(alert for alert in found if concerns(alert, filters))
    rules = rules_by_name()
    thresholds = {name: limits_of(rules[name]) for name in (ERRORS, QUEUE, OLDEST)}
    thresholds[LATENCY] = limits_of(rules[LATENCY], filters.operation)
    own_url = reverse(f"{asked.site.name}:clean_timestamps_dashboard")
    operation_url = reverse(f"{asked.site.name}:clean_timestamps_dashboard_operation")
    operations = OperationsTable(asked, figures, url=own_url, operation_url=operation_url)
    context = {
        "sentence": describe_state(asked.freshness, alerts),
        "notice": collector_silent(asked, reverse(f"{asked.site.name}:clean_timestamps_dashboard_health")),
        "tiles": make_tiles(trend, backlog, standings, thresholds, asked_for, is_silent=asked.freshness.is_silent),
        "operations": operations,
    }
    empty = _nothing(asked, own_url, trend, rates, backlog, figures)
    if empty:
        return Content(empty=empty, context=context)
    sections = (
        Section(key="section-latency", title=_("Latency"), charts=(latency_chart(trend, thresholds[LATENCY]),)),
        Section(key="section-errors", title=_("Validation errors"), charts=(errors_chart(trend, thresholds[ERRORS]),)),
        Section(
            key="section-queue",
            title=_("Queue"),
            charts=(queue_chart(backlog, thresholds[QUEUE]), age_chart(backlog, thresholds[OLDEST])),
        ),
        Section(key="section-rates", title=_("Events a second"), charts=(rates_chart(rates),)),
    )
    return Content(sections=sections, tables={"operations": operations.table}, context=context)


OVERVIEW = Page(key="overview", title=gettext_lazy("Overview"), build=build)


def _nothing(
    asked: Asked, url: str, trend: Trend, rates: Rates, backlog: Backlog, figures: list[OperationFigures]
) -> Empty | None:
    is_known = any(trend.total) or figures or any(each is not None for each in (*backlog.waiting, *rates.written))
    return None if is_known else nothing_in_range(asked, url)
