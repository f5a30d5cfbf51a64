"""Figures to judge: minutes, verdicts and the times they come at."""

from datetime import UTC, datetime, timedelta

from django_clean_timestamps.metrics.alerts.judging import Level, Minute, Verdict
from django_clean_timestamps.metrics.alerts.rules import rules_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def rule_of(name, **changes):
    alerts = {name: {("for" if key == "for_" else key): value for key, value in changes.items()}}
    return next(rule for rule in rules_of(alerts) if rule.name == name)


def minutes_of(*counts):
    """Each (bad, total) or (bad_warning, bad_critical, total), the last one in the minute of noon."""
    found = []
    for back, count in enumerate(reversed(counts)):
        warning, critical, total = count if len(count) == 3 else (count[0], 0, count[1])
        start = NOON - timedelta(minutes=back)
        found.insert(0, Minute(start=start, bad_warning=warning, bad_critical=critical, total=total))
    return found


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def verdict(level, data=None):
    """With new data unless told which."""
    verdict.count += 1
    version = "" if level == "no_data" else str(verdict.count if data is None else data)
    return Verdict(level=Level(level), data_version=version)


verdict.count = 1000
