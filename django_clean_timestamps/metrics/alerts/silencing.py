"""Hearing nothing of an alert until a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.figures import ONE, subject_of
from django_clean_timestamps.metrics.alerts.models import ACTOR_LENGTH, AlertState
from django_clean_timestamps.metrics.alerts.rules import Kind, Rule
from django_clean_timestamps.metrics.limits import rules_in_force
from django_clean_timestamps.metrics.models import MetricSeries

__all__ = ["LONGEST_SILENCE", "InvalidSilence", "silence", "unsilence"]

LONGEST_SILENCE: Final = timedelta(days=366)


class InvalidSilence(ValueError):  # noqa: N818 - named like ``InvalidFilter``
    """A silence that means nothing; its text says what was found and what is wanted, and holds no more of the input."""


def silence(rule: str, subject: str, until: datetime, by: str, *, using: str | None = None) -> None:
    """
    Have nothing told of one alert until a time; what sinks were told of it already is taken back.

    It goes on being evaluated, and is told if it still fires when the silence ends. A silence that holds is replaced.
    Permissions are the caller's to check.

    Args:
        rule: The rule's name.
        subject: As ``AlertState.subject`` has it, of an operation or model that there are figures of.
        until: Aware, later than now, at most a year away.
        by: Who wants it, for the page.
        using: The metrics' database, that of the settings by default.

    Raises:
        InvalidSilence: There is no such rule or subject, or the time is none of those.
    """
    using = using or get_settings().metrics_database
    now = database_now(using)
    if not isinstance(until, datetime) or until.tzinfo is None:
        raise InvalidSilence("The end of the silence has no time zone; an aware time is wanted")
    if not timedelta(0) < until - now <= LONGEST_SILENCE:
        raise InvalidSilence(
            f"The end of the silence is not between now and a year later; now is {now:%Y-%m-%dT%H:%M:%SZ}"
        )
    _make(using, rule, subject, now)
    rows = AlertState.objects.using(using).filter(rule=rule, subject=subject)
    rows.update(silenced_until=until.astimezone(UTC), silenced_by=str(by)[:ACTOR_LENGTH], updated_at=now)


def unsilence(rule: str, subject: str, *, using: str | None = None) -> bool:
    """
    End the silence of one alert at once, and return whether there was one.

    Args:
        rule: The rule's name.
        subject: As ``AlertState.subject`` has it.
        using: The metrics' database, that of the settings by default.
    """
    using = using or get_settings().metrics_database
    now = database_now(using)
    rows = AlertState.objects.using(using).filter(rule=rule, subject=subject, silenced_until__gt=now)
    return bool(rows.update(silenced_until=None, silenced_by="", updated_at=now))


def _make(using: str, rule: str, subject: str, now: datetime) -> None:
    """Make the row of an alert that was never found, so that it can be silenced beforehand."""
    known = {each.name: each for each in rules_in_force()}
    if rule not in known:
        raise InvalidSilence(f"There is no such rule; there are {', '.join(known)}")
    rows: Any = AlertState.objects.using(using)
    if rows.filter(rule=rule, subject=subject).exists():
        return
    if not _is_possible(using, known[rule], subject):
        raise InvalidSilence(
            f"The rule {rule} has no such subject; {'it is ' + ONE if not known[rule].subjects else 'none has figures'}"
        )
    row = AlertState(
        rule=rule,
        subject=subject,
        state="ok",
        level="ok",
        since=now,
        episode=0,
        version=0,
        bad_count=0,
        critical_count=0,
        data_version="",
        updated_at=now,
    )
    rows.bulk_create([row], ignore_conflicts=True)


def _is_possible(using: str, rule: Rule, subject: str) -> bool:
    if rule.kind is Kind.GAUGE:
        return subject == ONE
    series = MetricSeries.objects.using(using).values_list("model", "operation", "database")
    if rule.kind is Kind.RATE:
        return any(model == subject for model, _, _ in series)
    return any(subject_of(*names) == subject for names in series)
