"""From where on figures are bad, as the rules of the alerts have it."""

from __future__ import annotations

from django_clean_timestamps.admin.charts import Level, Threshold, Unit, show_value
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.alerts.rules import Rule, rules_of, threshold_of

__all__ = ["ERRORS", "LATENCY", "OLDEST", "QUEUE", "limits_of", "rules_by_name", "to_unit"]

LATENCY = "latency"
ERRORS = "validation_errors"
QUEUE = "undelivered"
OLDEST = "oldest_event"

_FACTORS = {"ms": 1e-3, "percent": 1e-2, "events": 1.0, "seconds": 1.0}
_UNITS = {"ms": Unit.SECONDS, "percent": Unit.SHARE, "events": Unit.COUNT, "seconds": Unit.SECONDS}


def rules_by_name() -> dict[str, Rule]:
    """Return the rules in force."""
    return {rule.name: rule for rule in rules_of(get_settings().alerts)}


def limits_of(rule: Rule, operation: str = "") -> tuple[Threshold, ...]:
    """
    Return a rule's thresholds for a chart, none where it is switched off.

    Args:
        rule: The rule.
        operation: Whose thresholds; the rule's own where empty.
    """
    if not rule.enabled:
        return ()
    found = threshold_of(rule, operation) if operation else rule
    pairs = () if found is None else ((found.warning, Level.WARNING), (found.critical, Level.CRITICAL))
    return tuple(Threshold(value=to_unit(value, rule), level=level) for value, level in pairs if value is not None)


def to_unit(value: float, rule: Rule) -> float:
    """Return a figure of a rule in the unit of charts: seconds, shares, counts."""
    return value * _FACTORS[rule.unit]


def show_limit(value: float, rule: Rule) -> str:
    """Return a rule's threshold as people read it."""
    return show_value(to_unit(value, rule), _UNITS[rule.unit]).isolated
