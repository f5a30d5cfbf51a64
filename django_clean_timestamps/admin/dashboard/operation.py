"""The page about one operation, or about those that the filters choose."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.charts import Chart
from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.content import Content, Page, Section
from django_clean_timestamps.admin.dashboard.distribution_charts import heat_chart, histogram_chart, reasons_chart
from django_clean_timestamps.admin.dashboard.empty_states import collector_silent, never_collected, nothing_in_range
from django_clean_timestamps.admin.dashboard.examples import examples_table, rows_of_examples
from django_clean_timestamps.admin.dashboard.limits import LATENCY, limits_of, rules_by_name
from django_clean_timestamps.admin.dashboard.operations_table import name_of_operation
from django_clean_timestamps.admin.dashboard.trend_charts import latency_chart, outcomes_chart
from django_clean_timestamps.metrics.queries.operations import (
    read_distribution,
    read_examples,
    read_heat,
    read_reasons,
)
from django_clean_timestamps.metrics.queries.trends import read_trend

__all__ = ["OPERATION"]


def build(asked: Asked) -> Content:
    """Return what the page shows, by five statements."""
    if empty := never_collected(asked):
        return Content(empty=empty)
    using, filters, series = asked.using, asked.filters, asked.series
    url = reverse(f"{asked.site.name}:{OPERATION.url_name}")
    notice = collector_silent(asked, reverse(f"{asked.site.name}:clean_timestamps_dashboard_health"))
    context: dict[str, Any] = {"heading": _heading(asked), "notice": notice}
    trend = read_trend(using, filters, series)
    if not any(trend.total):
        return Content(empty=nothing_in_range(asked, url), context=context)
    limits = limits_of(rules_by_name()[LATENCY], filters.operation or "update")
    charts: tuple[Chart | None, ...] = (
        heat_chart(read_heat(using, filters, series), limits),
        histogram_chart(read_distribution(using, filters, series), limits),
    )
    reasons = read_reasons(using, filters, series, may_see=asked.may_see)
    examples = read_examples(using, filters, series, may_see=asked.may_see)
    several = [_("Latency by time"), _("Latencies")]
    sections = [
        Section(key=f"section-{chart.key}", title=title, charts=(chart,))
        for title, chart in zip(several, charts, strict=True)
        if chart is not None
    ]
    sections += [
        Section(key="section-latency", title=_("Latency"), charts=(latency_chart(trend, limits),)),
        Section(key="section-outcomes", title=_("Outcomes"), charts=(outcomes_chart(trend),)),
        Section(
            key="section-reasons",
            title=_("Reasons"),
            charts=(reasons_chart(reasons, has_models=not filters.model),),
            help_text=_("In whole hours, of the models that you may view."),
        ),
    ]
    context["examples"] = rows_of_examples(asked, examples)
    return Content(sections=tuple(sections), tables={"examples": examples_table(examples)}, context=context)


OPERATION = Page(key="operation", title=gettext_lazy("Operation"), build=build)


def _heading(asked: Asked) -> str:
    filters = asked.filters
    what = name_of_operation(filters.operation) if filters.operation else _("single-row operations")
    text = _("{operation} of {model}").format(operation=what, model=filters.model) if filters.model else what
    return _("{text} on {database}").format(text=text, database=filters.database) if filters.database else text
