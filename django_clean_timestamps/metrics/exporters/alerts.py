"""How the alerts stand, without what an actor or a sink had to do with them."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.alerts.rules import Kind
from django_clean_timestamps.metrics.limits import rules_in_force

__all__ = ["AlertStanding", "read_alerts"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlertStanding:
    """
    One subject's alert. Times are aware, in UTC.

    Attributes:
        rule: The rule's name.
        subject: What it is about, ``""`` where the rule has one subject in all.
        state: ``ok``, ``pending``, ``firing`` or ``no_data``.
        level: ``ok``, ``warning`` or ``critical``.
        since: When it came into the state.
        changed_at: When its episode last changed, None where it never has.
        clears_at: When it could be over, None where that is not known.
        evaluated_at: When it was last evaluated.
        silenced_until: Up to when nobody is told, None where nothing was silenced.
        value: What was found, None where there was no figure.
        threshold: What it was held against.
        unit: Of both: ``percent``, ``events`` or ``seconds``; None where the rule is not one of this release.
        slow_seconds: Of latency: over how many seconds an operation is slow.
        window_seconds: How far back it was looked, 0 for one figure.
        revision: How often an evaluation has written it.
    """

    rule: str
    subject: str
    state: str
    level: str
    since: datetime
    changed_at: datetime | None
    clears_at: datetime | None
    evaluated_at: datetime | None
    silenced_until: datetime | None
    value: float | None
    threshold: float | None
    unit: str | None
    slow_seconds: float | None
    window_seconds: int
    revision: int

    def is_silenced(self, now: datetime) -> bool:
        """Say whether nobody is told of it."""
        return self.silenced_until is not None and self.silenced_until > now


def read_alerts(using: str) -> list[AlertStanding]:
    """
    Return every alert that was ever found, by rule and subject. One statement.

    Args:
        using: The metrics' database.

    Raises:
        Error: It cannot be read.
    """
    units = {rule.name: rule.unit if rule.kind is Kind.GAUGE else "percent" for rule in rules_in_force()}
    return [
        AlertStanding(
            rule=row.rule,
            subject=row.subject,
            state=row.state,
            level=row.level,
            since=row.since,
            changed_at=row.changed_at,
            clears_at=row.clears_at,
            evaluated_at=row.evaluated_at,
            silenced_until=row.silenced_until,
            value=row.value,
            threshold=row.threshold,
            unit=units.get(row.rule),
            slow_seconds=None if row.slow_ms is None else row.slow_ms / 1_000,
            window_seconds=row.window_seconds,
            revision=row.revision,
        )
        for row in AlertState.objects.using(using).order_by("rule", "subject")
    ]
