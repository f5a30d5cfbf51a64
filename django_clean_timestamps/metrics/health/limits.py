"""From where on a figure is a warning or critical: as the project's alerts have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from django_clean_timestamps.metrics.alerts.rules import Rule
from django_clean_timestamps.metrics.health.values import Level, worst
from django_clean_timestamps.metrics.limits import rules_in_force
from django_clean_timestamps.metrics.sampling import SAMPLE_SECONDS

__all__ = ["Limits", "level_of"]


class Limits:
    """
    The thresholds of the alerts, for figures as they are at one moment.

    Args:
        rules: The rules in force; one that is switched off finds nothing.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}

    @classmethod
    def in_force(cls) -> Self:
        """
        Return those of the settings.

        Raises:
            InvalidSettingError: ``ALERTS`` cannot be used.
        """
        return cls(rules_in_force())

    def judge(self, rule_name: str, figure: float | None) -> Level:
        """Return what a figure means by a rule; ok for None."""
        rule = self._rules[rule_name]
        return level_of(figure, rule.warning, rule.critical) if rule.enabled else Level.OK

    def judge_backlog(self, count: int, oldest_seconds: float | None) -> Level:
        """
        Return what so many waiting events mean, of which the oldest has waited so long.

        How many they are counts once one of them has waited for as long as the alert takes to fire: a bulk write
        brings thousands at once, which are gone within the minute.
        """
        undelivered = self._rules["undelivered"]
        waited = oldest_seconds or 0.0
        is_lasting = waited >= undelivered.for_evaluations * SAMPLE_SECONDS
        return worst(
            [self.judge("oldest_event", oldest_seconds), self.judge("undelivered", count) if is_lasting else Level.OK]
        )


def level_of(figure: float | None, warning: float | None, critical: float | None) -> Level:
    """Return what a figure means by two thresholds, each None for never."""
    if figure is None:
        return Level.OK
    if critical is not None and figure > critical:
        return Level.CRITICAL
    return Level.WARNING if warning is not None and figure > warning else Level.OK
