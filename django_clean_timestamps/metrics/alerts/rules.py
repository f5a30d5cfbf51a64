"""The rules in force: the built-in ones with what ``CLEAN_TIMESTAMPS["ALERTS"]`` changes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.alerts.built_in import BUILT_IN, Kind, Rule, Threshold
from django_clean_timestamps.metrics.alerts.problems import find_rule_problems
from django_clean_timestamps.metrics.series import SINGLE_ROW_OPERATIONS

__all__ = ["Kind", "Rule", "Threshold", "find_rule_problems", "rules_of", "threshold_of"]


def rules_of(alerts: Mapping[str, Any] | None) -> tuple[Rule, ...]:
    """
    Return every built-in rule with what ``ALERTS`` changes of it, those that are switched off with ``enabled=False``.

    Args:
        alerts: By the rule's name what differs, or None or False to switch it off.

    Raises:
        InvalidSettingError: It holds something that is no rule, key or value of one.
    """
    if problems := find_rule_problems(alerts):
        raise InvalidSettingError(problems[0])
    given = alerts or {}
    return tuple(_changed(rule, given.get(name, {})) for name, rule in BUILT_IN.items())


def threshold_of(rule: Rule, operation: str) -> Threshold | None:
    """
    Return the thresholds for one operation, None where it raises nothing.

    The rule's own are for the four operations on single rows; bulk forms and handlers have none unless given.
    """
    if operation in rule.operations:
        return rule.operations[operation]
    return Threshold(warning=rule.warning, critical=rule.critical) if operation in SINGLE_ROW_OPERATIONS else None


def _changed(rule: Rule, given: Mapping[str, Any] | bool | None) -> Rule:
    if not isinstance(given, Mapping):
        return dataclasses.replace(rule, enabled=False)
    changes = {"for_evaluations" if key == "for" else key: value for key, value in given.items()}
    operations = changes.pop("operations", {})
    changed = dataclasses.replace(rule, **changes)
    return dataclasses.replace(
        changed, operations={name: _threshold(changed, name, value) for name, value in operations.items()}
    )


def _threshold(rule: Rule, operation: str, given: Mapping[str, float | None] | None) -> Threshold | None:
    if given is None:
        return None
    own = rule if operation in SINGLE_ROW_OPERATIONS else Threshold(warning=None, critical=None)
    return Threshold(warning=given.get("warning", own.warning), critical=given.get("critical", own.critical))
