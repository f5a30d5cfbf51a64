"""The alerts as they stand and as they were, and what was told to whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Max, Min, Q

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.judging import Level
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.alerts.rules import Rule
from django_clean_timestamps.metrics.alerts.states import Status
from django_clean_timestamps.metrics.alerts.wording import ADVICE, TITLES, UNITS, figure_in_words, subject_in_words
from django_clean_timestamps.metrics.limits import rules_in_force

__all__ = [
    "Alert",
    "Change",
    "Episode",
    "RuleStanding",
    "ToldNotice",
    "read_alerts",
    "read_episodes",
    "read_notices",
    "sum_up_rules",
]

EPISODES_SHOWN: Final = 200
NOTICES_SHOWN: Final = 200

_WORST_FIRST: Final = (Status.FIRING, Status.NO_DATA, Status.PENDING, Status.OK)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """
    One alert as it stands; there is none of a subject that never was in trouble.

    Attributes:
        rule: The rule's name.
        subject: As silences want it.
        state: ``ok``, ``pending``, ``firing`` or ``no_data``.
        level: What it fires with, or did when its data ended; else ``ok``.
        since: When it came into the state, aware, in UTC, like all times.
        episode: How many times it has fired.
        clears_at: When it could be over; None where it is found still, or does not fire.
        updated_at: When the figures were found.
        value: The figure, None where there was none.
        threshold: What it was held against.
        slow_ms: Of latency, over how many milliseconds an operation is slow.
        window_seconds: How far back it was looked, 0 for a single figure.
        silenced_until: Until when nothing is told of it, None where it is told.
        silenced_by: Who wanted that.
        told: The state that each sink was told last, by the sink's name.
    """

    rule: str
    subject: str
    state: str
    level: str
    since: datetime
    episode: int
    clears_at: datetime | None
    updated_at: datetime
    value: float | None
    threshold: float | None
    slow_ms: float | None
    window_seconds: int
    silenced_until: datetime | None
    silenced_by: str
    told: dict[str, str]

    @property
    def is_open(self) -> bool:
        """Whether it fires, or did when its data ended."""
        return self.level != Level.OK

    @property
    def unit(self) -> str:
        """Of value and threshold: ``percent``, ``events`` or ``seconds``."""
        return UNITS[self.rule]

    @property
    def title(self) -> str:
        """What the rule finds, in words."""
        return str(TITLES[self.rule])

    @property
    def subject_in_words(self) -> str:
        """Whose alert it is, for people."""
        return subject_in_words(self.rule, self.subject)

    @property
    def figures(self) -> str:
        """Value and limit in a sentence, "" where there are none."""
        return figure_in_words(self.rule, self.value, self.threshold, self.slow_ms, self.window_seconds)

    @property
    def advice(self) -> str:
        """What to do."""
        return str(ADVICE[self.rule])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuleStanding:
    """
    A rule, and how bad the worst of its alerts is.

    Attributes:
        rule: The rule with its thresholds and whether it is switched on.
        level: The worst level of those that are open, ``ok`` where none is.
        open_count: How many are open.
        silenced_count: How many of these are silenced.
    """

    rule: Rule
    level: str
    open_count: int
    silenced_count: int

    @property
    def title(self) -> str:
        """What it finds, in words."""
        return str(TITLES[self.rule.name])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an alert became, and by which figures; see :class:`Alert`."""

    at: datetime
    version: int
    state: str
    level: str
    value: float | None
    threshold: float | None
    slow_ms: float | None
    window_seconds: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """
    One time that an alert fired.

    Attributes:
        rule: The rule's name.
        subject: Whose alert.
        episode: The how-manieth time.
        begun_at: When it began, or the first change of it that is still kept.
        ended_at: When it was over, None where it is not.
        level: The worst that it came to.
        changes: All that it became, the oldest first, those before and after the range too.
    """

    rule: str
    subject: str
    episode: int
    begun_at: datetime
    ended_at: datetime | None
    level: str
    changes: tuple[Change, ...]

    @property
    def title(self) -> str:
        """What the rule finds, in words."""
        return str(TITLES[self.rule])

    @property
    def subject_in_words(self) -> str:
        """Whose alert it is, for people."""
        return subject_in_words(self.rule, self.subject)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ToldNotice:
    """
    What one sink was told, or could not be told yet.

    Attributes:
        sink: ``signal``, ``log`` or ``mail``.
        key: What a repeat is known by.
        rule: The rule's name.
        subject: Whose alert.
        episode: Of which episode.
        state: ``firing``, ``no_data``, ``ok`` or ``silenced``.
        level: How bad.
        tried_at: When it was first tried.
        told_at: When it had succeeded, None where it has not.
        attempts: How often it was tried.
        recipients: To whom, of mail; addresses with commas between them.
        error: What the last attempt met; it may hold what a server or receiver has said.
    """

    sink: str
    key: str
    rule: str
    subject: str
    episode: int
    state: str
    level: str
    tried_at: datetime
    told_at: datetime | None
    attempts: int
    recipients: str
    error: str

    @property
    def recipient_count(self) -> int:
        """To how many addresses mail went."""
        return sum(1 for address in self.recipients.split(",") if address.strip())

    @property
    def title(self) -> str:
        """What the rule finds, in words."""
        return str(TITLES[self.rule])

    @property
    def subject_in_words(self) -> str:
        """Whose alert it is, for people."""
        return subject_in_words(self.rule, self.subject)


def read_alerts(using: str, now: datetime | None = None) -> list[Alert]:
    """
    Return every alert there is, the worst and longest first. One statement, and one for the time where it is not given.

    Args:
        using: The metrics' database.
        now: Its time, aware.
    """
    now = now or database_now(using)
    alerts = [_alert(row, now) for row in AlertState.objects.using(using).filter(rule__in=TITLES)]
    return sorted(alerts, key=_badness)


def sum_up_rules(alerts: Sequence[Alert]) -> list[RuleStanding]:
    """Return every rule that there is, with what is open of it. No statement."""
    found = []
    for rule in rules_in_force():
        open_ones = [alert for alert in alerts if alert.rule == rule.name and alert.is_open]
        silenced = [alert for alert in open_ones if alert.silenced_until is not None]
        found.append(
            RuleStanding(
                rule=rule,
                level=_worst(alert.level for alert in open_ones),
                open_count=len(open_ones),
                silenced_count=len(silenced),
            )
        )
    return found


def read_episodes(using: str, start: datetime, end: datetime, *, limit: int = EPISODES_SHOWN) -> list[Episode]:
    """
    Return the times that alerts fired, in part at least within a range, those that began last first. Two statements.

    Args:
        using: The metrics' database.
        start: Where the range begins, aware.
        end: Where it ends, excluded.
        limit: How many at most, the last ones.
    """
    rows: Any = AlertChange.objects.using(using).filter(rule__in=TITLES)
    grouped = rows.values_list("rule", "subject", "episode").annotate(
        begun_at=Min("changed_at"), ended_at=Max("changed_at", filter=Q(state=Status.OK))
    )
    within = grouped.filter(Q(ended_at__gte=start) | Q(ended_at__isnull=True), begun_at__lt=end)
    episodes = {
        (rule, subject, episode): (begun_at, ended_at)
        for rule, subject, episode, begun_at, ended_at in within.order_by("-begun_at", "rule", "subject")[:limit]
    }
    changes: dict[tuple[str, str, int], list[AlertChange]] = {key: [] for key in episodes}
    of_these = rows.filter(subject__in={key[1] for key in episodes}, episode__in={key[2] for key in episodes})
    for change in of_these.order_by("version"):
        changes.get((change.rule, change.subject, change.episode), []).append(change)
    return [
        Episode(
            rule=rule,
            subject=subject,
            episode=episode,
            begun_at=_utc(begun_at),
            ended_at=None if ended_at is None else _utc(ended_at),
            level=_worst(change.level for change in changes[rule, subject, episode]),
            changes=tuple(map(_change, changes[rule, subject, episode])),
        )
        for (rule, subject, episode), (begun_at, ended_at) in episodes.items()
    ]


def read_notices(using: str, start: datetime, end: datetime, *, limit: int = NOTICES_SHOWN) -> list[ToldNotice]:
    """
    Return what sinks were told, or could not be told yet, in a range, the last first. One statement.

    Args:
        using: The metrics' database.
        start: Where the range begins, aware.
        end: Where it ends, excluded.
        limit: How many at most.
    """
    names = [field.name for field in dataclasses.fields(ToldNotice)]
    rows = AlertNotice.objects.using(using).filter(rule__in=TITLES, tried_at__gte=start, tried_at__lt=end)
    return [
        ToldNotice(**{name: getattr(row, name) for name in names}) for row in rows.order_by("-tried_at", "-pk")[:limit]
    ]


def _alert(row: AlertState, now: datetime) -> Alert:
    plain = {field.name for field in dataclasses.fields(Alert)} - {"silenced_until", "silenced_by", "told"}
    is_silenced = row.silenced_until is not None and row.silenced_until > now
    return Alert(
        **{name: getattr(row, name) for name in plain},
        silenced_until=row.silenced_until if is_silenced else None,
        silenced_by=row.silenced_by if is_silenced else "",
        told={sink: told["state"] for sink, told in sorted(row.told.items())},
    )


def _badness(alert: Alert) -> tuple[int, bool, datetime, str, str]:
    state = _WORST_FIRST.index(Status(alert.state))
    return state, alert.level != Level.CRITICAL, alert.since, alert.rule, alert.subject


def _change(row: AlertChange) -> Change:
    names = [field.name for field in dataclasses.fields(Change) if field.name != "at"]
    return Change(at=row.changed_at, **{name: getattr(row, name) for name in names})


def _worst(levels: Any) -> str:
    found = set(levels)
    return next((str(level) for level in (Level.CRITICAL, Level.WARNING) if level in found), str(Level.OK))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
