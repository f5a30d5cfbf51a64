"""The page of alerts: how they stand, when they fired, and what was told to whom."""

from __future__ import annotations

import dataclasses
from typing import Final

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_clean_timestamps.admin.charts import Cell, Column, EpisodeChart, EpisodeRow, Level, Table
from django_clean_timestamps.admin.charts import Episode as Drawn
from django_clean_timestamps.admin.dashboard.alert_states import level_of, open_alerts
from django_clean_timestamps.admin.dashboard.asked import MANAGE_ALERTS, Asked
from django_clean_timestamps.admin.dashboard.content import Content, Page, Section
from django_clean_timestamps.admin.dashboard.sentences import describe_state
from django_clean_timestamps.admin.dashboard.standings import NO_DATA, PENDING, SILENCED, WELL, mark_of
from django_clean_timestamps.admin.display import first_line, show_stamp
from django_clean_timestamps.admin.marks import Mark
from django_clean_timestamps.metrics.alerts.states import Status
from django_clean_timestamps.metrics.queries.alerts import (
    Alert,
    Episode,
    RuleStanding,
    ToldNotice,
    read_episodes,
    read_notices,
    sum_up_rules,
)

__all__ = ["ALERTS"]

_SINKS: Final = {"signal": gettext_lazy("signal"), "log": gettext_lazy("log"), "mail": gettext_lazy("mail")}
_TOLD: Final = {"ok": WELL, "silenced": SILENCED, "no_data": NO_DATA}
_LEVELS: Final = {"warning": Level.WARNING, "critical": Level.CRITICAL}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """
    One alert.

    Attributes:
        alert: As it stands.
        silence_url: Where it can be silenced, and heard again.
    """

    alert: Alert
    silence_url: str

    @property
    def mark(self) -> Mark:
        """How it stands."""
        if self.alert.is_open:
            return mark_of(level_of(self.alert))
        return {Status.PENDING: PENDING, Status.NO_DATA: NO_DATA}.get(Status(self.alert.state), WELL)

    @property
    def since(self) -> SafeString | None:
        """Since when."""
        return show_stamp(self.alert.since)

    @property
    def clears_at(self) -> SafeString | None:
        """When it could be over."""
        return show_stamp(self.alert.clears_at)

    @property
    def silenced_until(self) -> SafeString | None:
        """Until when nobody is told of it."""
        return show_stamp(self.alert.silenced_until)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """
    What one sink was told.

    Attributes:
        notice: It.
        has_error: Whether what went wrong may be shown.
        has_addresses: Whether the addresses that mail went to may be shown.
    """

    notice: ToldNotice
    has_error: bool
    has_addresses: bool

    @property
    def mark(self) -> Mark:
        """What was told."""
        return _TOLD.get(self.notice.state) or mark_of(self.notice.level)

    @property
    def sink(self) -> str:
        """By which way."""
        return str(_SINKS.get(self.notice.sink, self.notice.sink))

    @property
    def tried_at(self) -> SafeString | None:
        """When it was first tried."""
        return show_stamp(self.notice.tried_at)

    @property
    def told_at(self) -> SafeString | None:
        """When it had succeeded."""
        return show_stamp(self.notice.told_at)

    @property
    def recipients(self) -> str:
        """To whom, for those who may manage alerts; for others to how many."""
        count = self.notice.recipient_count
        if self.has_addresses or not count:
            return self.notice.recipients
        return ngettext("%(count)d recipient", "%(count)d recipients", count) % {"count": count}

    @property
    def error(self) -> str:
        """What went wrong, for those who may read it."""
        return first_line(self.notice.error) if self.has_error else ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule and how its alerts stand."""

    standing: RuleStanding

    @property
    def mark(self) -> Mark:
        """How bad the worst is."""
        if not self.standing.rule.enabled:
            return Mark("–", _("switched off"), "quiet")
        return mark_of(self.standing.level)


def build(asked: Asked) -> Content:
    """Return what the page shows, by five statements."""
    using, filters = asked.using, asked.filters
    alerts = asked.alerts
    episodes = read_episodes(using, filters.start_at, filters.end_at)
    may_manage = asked.request.user.has_perm(MANAGE_ALERTS)
    notices = [
        NoticeRow(notice=each, has_error=asked.labels is None, has_addresses=may_manage)
        for each in read_notices(using, filters.start_at, filters.end_at)
    ]
    url = reverse(f"{asked.site.name}:clean_timestamps_dashboard_silence")
    return Content(
        sections=(Section(key="section-episodes", title=_("When alerts fired"), charts=(_timeline(asked, episodes),)),),
        tables={"alerts": _alerts_table(alerts), "notices": _notices_table(notices)},
        context={
            "sentence": describe_state(asked.freshness, open_alerts(alerts)),
            "rules": [RuleRow(standing=each) for each in sum_up_rules(alerts)],
            "alerts": [
                AlertRow(alert=each, silence_url=f"{url}?{urlencode({'rule': each.rule, 'subject': each.subject})}")
                for each in alerts
            ],
            "notices": notices,
            "may_manage": may_manage,
        },
    )


ALERTS = Page(key="alerts", title=gettext_lazy("Alerts"), build=build, has_filters=False)


def _timeline(asked: Asked, episodes: list[Episode]) -> EpisodeChart:
    rows: dict[str, list[Drawn]] = {}
    for episode in episodes:
        label = f"{episode.title}: {episode.subject_in_words}"
        rows.setdefault(label, []).extend(_drawn(episode))
    return EpisodeChart(
        key="episodes",
        title=_("When alerts fired"),
        since=asked.filters.start_at,
        until=asked.filters.end_at,
        rows=tuple(EpisodeRow(label=label, episodes=tuple(drawn)) for label, drawn in sorted(rows.items())),
    )


def _drawn(episode: Episode) -> list[Drawn]:
    """Return a part for each time that it was as bad."""
    parts = []
    ends = [*(change.at for change in episode.changes[1:]), episode.ended_at]
    for change, ended_at in zip(episode.changes, ends, strict=True):
        if change.state == Status.NO_DATA:
            parts.append(Drawn(level=Level.NO_DATA, began_at=change.at, ended_at=ended_at))
        elif change.level in _LEVELS:
            parts.append(Drawn(level=_LEVELS[change.level], began_at=change.at, ended_at=ended_at))
    return parts


def _alerts_table(alerts: list[Alert]) -> Table:
    columns = (
        Column(key="rule", label=_("Rule")),
        Column(key="subject", label=_("Of")),
        Column(key="state", label=_("State")),
        Column(key="level", label=_("Level")),
        Column(key="since", label=_("Since")),
        Column(key="value", label=_("Figure")),
        Column(key="limit", label=_("Limit")),
        Column(key="unit", label=_("Unit")),
        Column(key="silenced_until", label=_("Silenced until")),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.rule,
            each.subject,
            str(each.state),
            str(each.level),
            each.since,
            each.value,
            each.threshold,
            each.unit,
            each.silenced_until,
        )
        for each in alerts
    )
    return Table(caption=_("Alerts"), columns=columns, rows=rows)


def _notices_table(notices: list[NoticeRow]) -> Table:
    columns = (
        Column(key="tried_at", label=_("First tried")),
        Column(key="told_at", label=_("Told")),
        Column(key="sink", label=_("By")),
        Column(key="recipients", label=_("To")),
        Column(key="rule", label=_("Rule")),
        Column(key="subject", label=_("Of")),
        Column(key="state", label=_("State")),
        Column(key="level", label=_("Level")),
        Column(key="attempts", label=_("Attempts")),
        Column(key="error", label=_("Error")),
        Column(key="key", label=_("Key")),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.notice.tried_at,
            each.notice.told_at,
            each.notice.sink,
            each.recipients,
            each.notice.rule,
            each.notice.subject,
            each.notice.state,
            each.notice.level,
            each.notice.attempts,
            each.notice.error if each.has_error else "",
            each.notice.key,
        )
        for each in notices
    )
    return Table(caption=_("What was told"), columns=columns, rows=rows)
