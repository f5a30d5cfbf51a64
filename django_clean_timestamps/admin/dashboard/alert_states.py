"""The alerts that are open, as sentence and tiles want them."""

from __future__ import annotations

from collections.abc import Iterable

from django_clean_timestamps.admin.dashboard.limits import ERRORS, LATENCY
from django_clean_timestamps.admin.dashboard.standings import AlertNow
from django_clean_timestamps.metrics.alerts.states import Status
from django_clean_timestamps.metrics.queries.alerts import Alert
from django_clean_timestamps.metrics.queries.filters import Filters

__all__ = ["concerns", "level_of", "open_alerts"]


def open_alerts(alerts: Iterable[Alert]) -> list[AlertNow]:
    """Return those of the alerts that fire, or did when their data ended."""
    return [
        AlertNow(
            rule=alert.rule,
            subject=alert.subject_in_words,
            level=level_of(alert),
            since=alert.since,
            is_silenced=alert.silenced_until is not None,
        )
        for alert in alerts
        if alert.is_open
    ]


def concerns(alert: Alert, filters: Filters) -> bool:
    """Say whether an alert is about what the filters ask for; one that is about everything is."""
    if alert.rule == ERRORS:
        return filters.model in ("", alert.subject)
    if alert.rule != LATENCY:
        return True
    model, operation, database = alert.subject.split("/", 2)
    pairs = ((filters.model, model), (filters.operation, operation), (filters.database, database))
    return all(not wanted or wanted == found for wanted, found in pairs)


def level_of(alert: Alert) -> str:
    """Return how bad an open alert is: ``warning``, ``critical``, or ``no_data`` where its figures ended."""
    return "no_data" if alert.state == Status.NO_DATA else alert.level
