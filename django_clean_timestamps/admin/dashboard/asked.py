"""What a page of the dashboard was asked for, by whom, and what everything on it is made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.functional import cached_property

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.queries.alerts import Alert, read_alerts
from django_clean_timestamps.metrics.queries.filters import Filters, InvalidFilter, parse_filters
from django_clean_timestamps.metrics.queries.processes import Freshness, read_freshness
from django_clean_timestamps.metrics.queries.rows import SeriesNames, read_series
from django_clean_timestamps.metrics.series import ALL
from django_clean_timestamps.views.access import viewable_labels

__all__ = ["MANAGE_ALERTS", "MANAGE_DELIVERIES", "VIEW", "Asked", "read_asked"]

VIEW = "clean_timestamps.view_metrics"
MANAGE_ALERTS = "clean_timestamps.manage_alerts"
MANAGE_DELIVERIES = "clean_timestamps.manage_deliveries"

_Found = TypeVar("_Found")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """
    One look at the dashboard.

    Attributes:
        site: The admin site.
        request: Whose user looks.
        using: The metrics' database alias.
        freshness: How old the figures are.
        series: All there are.
        filters: What is to be shown; the default where the address makes no sense.
        problem: Why it makes none, None where it does.
    """

    site: AdminSite
    request: HttpRequest
    using: str
    freshness: Freshness
    series: SeriesNames
    filters: Filters
    problem: InvalidFilter | None = None
    _found: dict[Callable[..., Any], Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def is_never_collected(self) -> bool:
        """Whether no process has ever recorded anything."""
        return self.freshness.age_seconds is None and not self.series

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The models whose keys, reasons and errors the user may see, None for all."""
        return viewable_labels(self.request.user)

    @cached_property
    def alerts(self) -> list[Alert]:
        """Every alert as it stands, the worst and longest first. One statement, the first time."""
        return read_alerts(self.using, self.freshness.now)

    def once(self, read: Callable[[Asked], _Found]) -> _Found:
        """Return what a function reads for this look; it is called the first time alone."""
        if read not in self._found:
            self._found[read] = read(self)
        return cast("_Found", self._found[read])

    def may_see(self, label: str) -> bool:
        """Say whether keys, reasons and errors of a model may be shown."""
        return self.labels is None or label.lower() in self.labels

    @cached_property
    def has_several_databases(self) -> bool:
        """Whether the figures are of more than one database."""
        return len({names[3] for names in self.series.values() if names[0] != ALL}) > 1


def read_asked(site: AdminSite, request: HttpRequest, parameters: Mapping[str, str]) -> Asked:
    """Return what was asked for, by three statements; filters that make no sense are told, and the default shown."""
    using = get_settings().metrics_database
    freshness, series = read_freshness(using), read_series(using)
    shared: dict[str, Any] = {
        "site": site,
        "request": request,
        "using": using,
        "freshness": freshness,
        "series": series,
    }
    named = [names for names in series.values() if names[0] != ALL]
    try:
        return Asked(filters=parse_filters(parameters, now=freshness.now, series=named), **shared)
    except InvalidFilter as problem:
        return Asked(filters=parse_filters({}, now=freshness.now, series=named), problem=problem, **shared)
