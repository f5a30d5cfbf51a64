"""The thresholds that operations are counted by while they are recorded."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django_clean_timestamps.conf import Settings, get_settings
from django_clean_timestamps.metrics.alerts.rules import Kind, Rule, rules_of, threshold_of
from django_clean_timestamps.probes import Series

__all__ = ["limits_of", "rules_in_force"]


def rules_in_force() -> tuple[Rule, ...]:
    """Return the rules of alerts as the settings have them."""
    settings = get_settings()
    return _rules(_Settings(settings))


def limits_of(series: Series) -> tuple[float | None, float | None]:
    """Return over how many seconds an operation counts as a warning and as critical, None for never."""
    (latency,) = (rule for rule in rules_in_force() if rule.kind is Kind.SHARE)
    threshold = threshold_of(latency, series[1])
    return (None, None) if threshold is None else (_seconds(threshold.warning), _seconds(threshold.critical))


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1_000


class _Settings:
    """Settings as a key: the same for the same object, since a dict of rules cannot be hashed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __hash__(self) -> int:
        return id(self.settings)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Settings) and self.settings is other.settings


@lru_cache(maxsize=4)
def _rules(key: _Settings) -> tuple[Rule, ...]:
    return rules_of(key.settings.alerts)
