"""The page of deliveries: how far each handler is, and what is parked."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.charts import Bar, BarList, Cell, Column, Shown, Table, Unit, show_value
from django_clean_timestamps.admin.dashboard.asked import MANAGE_DELIVERIES, Asked
from django_clean_timestamps.admin.dashboard.content import Content, Page, Section
from django_clean_timestamps.admin.dashboard.empty_states import collector_silent, never_collected
from django_clean_timestamps.admin.dashboard.lag_charts import lag_section
from django_clean_timestamps.admin.dashboard.limits import OLDEST, QUEUE, limits_of, rules_by_name
from django_clean_timestamps.admin.dashboard.parked import ParkedGroup, ParkedLine, read_groups, read_newest
from django_clean_timestamps.admin.dashboard.trend_charts import age_chart, queue_chart, rates_chart
from django_clean_timestamps.admin.delivery_links import may_see_parked, may_see_subscriptions, parked_list_url
from django_clean_timestamps.admin.marks import GONE, Mark, state_mark
from django_clean_timestamps.metrics.models import MetricSample
from django_clean_timestamps.metrics.queries.backlog import Standing, read_backlog, read_lags, read_standings
from django_clean_timestamps.metrics.queries.trends import read_rates
from django_clean_timestamps.metrics.sampling import ORPHAN, REPLAYING

__all__ = ["DELIVERIES"]

_REPLAYING = Mark("↻", gettext_lazy("hears events again"), "care")
_LOG = Mark("✓", gettext_lazy("read"), "good")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """
    A log or a subscription as it stood when it was last looked at.

    Attributes:
        standing: How it stood.
        url: Its own page, None where the user has none.
        parked_url: The list of its parked events, None where the user has none.
    """

    standing: Standing
    url: str | None
    parked_url: str | None

    @property
    def name(self) -> str | Promise:
        """Which it is."""
        return self.standing.handler or gettext_lazy("the log itself")

    @property
    def mark(self) -> Mark:
        """In which state."""
        if self.standing.kind == MetricSample.Kind.LOG:
            return _LOG
        named = {ORPHAN: GONE, REPLAYING: _REPLAYING}
        return named.get(self.standing.state) or state_mark(self.standing.state)

    @property
    def waiting(self) -> Shown:
        """How many events wait."""
        return show_value(self.standing.waiting, Unit.COUNT)

    @property
    def oldest(self) -> Shown | None:
        """How long the oldest has waited."""
        seconds = self.standing.oldest_seconds
        return None if seconds is None else show_value(seconds, Unit.SECONDS)


def build(asked: Asked) -> Content:
    """Return what the page shows; what is parked is read from where handlers write, now."""
    if empty := never_collected(asked):
        return Content(empty=empty)
    using, filters = asked.using, asked.filters
    standings = list(read_standings(using, asked.freshness.sampled_at))
    backlog = read_backlog(using, filters)
    rules = rules_by_name()
    queue_limits, age_limits = limits_of(rules[QUEUE]), limits_of(rules[OLDEST])
    groups: list[ParkedGroup] = []
    newest: list[ParkedLine] = []
    if may_see_parked(asked.site, asked.request):
        groups, newest = asked.once(read_groups), read_newest(asked)
    context: dict[str, Any] = {
        "notice": collector_silent(asked, reverse(f"{asked.site.name}:clean_timestamps_dashboard_health")),
        "standings": [_row(asked, each) for each in standings],
        "groups": groups,
        "newest": newest,
        "may_see_parked": may_see_parked(asked.site, asked.request),
        "may_manage": asked.request.user.has_perm(MANAGE_DELIVERIES),
    }
    tables = {"subscriptions": _standings_table(standings), "parked": _groups_table(groups)}
    sections = [
        Section(
            key="section-queue",
            title=_("Queue"),
            charts=(queue_chart(backlog, queue_limits), age_chart(backlog, age_limits)),
        ),
        Section(
            key="section-rates",
            title=_("Events a second"),
            charts=(rates_chart(read_rates(using, filters, asked.series)),),
        ),
    ]
    lags = read_lags(using, filters)
    if lags.furthest:
        sections.insert(0, lag_section(lags, queue_limits, age_limits))
    if any(standing.handler for standing in standings):
        sections.insert(
            0, Section(key="section-lag", title=_("Lag of each subscription"), charts=(_lag(asked, standings),))
        )
    return Content(sections=tuple(sections), tables=tables, context=context)


DELIVERIES = Page(key="deliveries", title=gettext_lazy("Events and deliveries"), build=build, has_filters=False)


def _lag(asked: Asked, standings: list[Standing]) -> BarList:
    furthest_first = sorted((each for each in standings if each.handler), key=lambda each: -each.waiting)
    return BarList(
        key="lag",
        title=_("Lag of each subscription"),
        heading=_("Subscription"),
        value_heading=_("Waiting"),
        bars=tuple(
            Bar(label=each.handler, value=each.waiting, url=_subscription_url(asked, each) or "")
            for each in furthest_first
        ),
    )


def _row(asked: Asked, standing: Standing) -> StandingRow:
    has_parked = bool(standing.handler) and may_see_parked(asked.site, asked.request)
    return StandingRow(
        standing=standing,
        url=_subscription_url(asked, standing),
        parked_url=parked_list_url(asked.site, standing.database, handler=standing.handler) if has_parked else None,
    )


def _subscription_url(asked: Asked, standing: Standing) -> str | None:
    if not standing.handler or not may_see_subscriptions(asked.site, asked.request):
        return None
    url = reverse(f"{asked.site.name}:clean_timestamps_subscription_changelist")
    return f"{url}?{urlencode({'q': standing.handler})}"


def _standings_table(standings: list[Standing]) -> Table:
    columns = (
        Column(key="handler", label=_("Subscription")),
        Column(key="log", label=_("Log")),
        Column(key="database", label=_("Database")),
        Column(key="state", label=_("State")),
        Column(key="waiting", label=_("Waiting"), unit=Unit.COUNT),
        Column(key="oldest", label=_("Oldest"), unit=Unit.SECONDS),
        Column(key="position", label=_("Position")),
        Column(key="parked", label=_("Parked"), unit=Unit.COUNT),
        Column(key="dead", label=_("Dead"), unit=Unit.COUNT),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.handler,
            each.log_alias,
            each.database,
            each.state,
            each.waiting,
            each.oldest_seconds,
            each.position,
            each.parked,
            each.dead,
        )
        for each in standings
    )
    return Table(caption=_("Subscriptions"), columns=columns, rows=rows)


def _groups_table(groups: list[ParkedGroup]) -> Table:
    columns = (
        Column(key="database", label=_("Database")),
        Column(key="handler", label=_("Handler")),
        Column(key="state", label=_("State")),
        Column(key="parked", label=_("Parked"), unit=Unit.COUNT),
    )
    rows = tuple((each.database, each.handler, each.state, each.count) for each in groups)
    return Table(caption=_("Parked events"), columns=columns, rows=rows)
