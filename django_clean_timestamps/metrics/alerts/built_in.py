"""What a rule of alerts is, and the built-in ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

__all__ = ["BUILT_IN", "HOUR_SECONDS", "Kind", "Rule", "Threshold"]

HOUR_SECONDS: Final = 3600


class Kind(StrEnum):
    """What a rule looks at."""

    SHARE = "share"
    """Of operations, those that took longer than a threshold: are they more than ``share``?"""
    RATE = "rate"
    """Of operations, those that failed: are they more than the thresholds, in per cent?"""
    GAUGE = "gauge"
    """One figure: is it over the thresholds?"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What is a warning and what is critical once a figure is over it; None where nothing is."""

    warning: float | None
    critical: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    When somebody is told.

    Attributes:
        name: Its key in ``ALERTS``.
        kind: What it looks at.
        unit: Of the thresholds: ``ms``, ``percent``, ``events`` or ``seconds``.
        subjects: What each has an alert of its own; empty where there is one in all.
        warning: Over it is a warning, None for never.
        critical: Over it is critical, None for never.
        for_evaluations: So many evaluations with new data in a row must find it before it fires (``for`` in
            the setting).
        keep_firing_seconds: How long it goes on firing after it was last found.
        window_seconds: The shortest window that is judged, whole minutes; thin traffic widens it up to an hour.
            0 for a gauge.
        share: Which share of operations over the threshold is too much, of ``SHARE`` alone.
        operations: Thresholds in place of the rule's own, by operation (``handler:<name>`` of handlers); None
            for none.
        is_silence: Whether no figure at all is the worst one, not a lack of data.
        enabled: Whether it is judged.
    """

    name: str
    kind: Kind
    unit: str
    subjects: tuple[str, ...] = ()
    warning: float | None
    critical: float | None
    for_evaluations: int
    keep_firing_seconds: float = 600
    window_seconds: int = 0
    share: float = 0
    operations: Mapping[str, Threshold | None] = dataclasses.field(default_factory=dict, hash=False)
    is_silence: bool = False
    enabled: bool = True


# Sampled every 15 seconds, four evaluations are a minute. With two, 20 writes a minute of which 3.5 % are slow gave 1.9
# false alerts a week instead of 0.3, and a real jump was told of half a minute earlier.
BUILT_IN: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        Rule(
            name="latency",
            kind=Kind.SHARE,
            unit="ms",
            subjects=("model", "operation", "database"),
            warning=5,
            critical=10,
            for_evaluations=4,
            window_seconds=300,
            share=0.05,
        ),
        # By model: one that fails altogether would vanish among the writes of all others.
        Rule(
            name="validation_errors",
            kind=Kind.RATE,
            unit="percent",
            subjects=("model",),
            warning=0.5,
            critical=1.0,
            for_evaluations=4,
            window_seconds=300,
        ),
        # A bulk write brings thousands at once, which are gone within the minute.
        Rule(name="undelivered", kind=Kind.GAUGE, unit="events", warning=1_000, critical=5_000, for_evaluations=4),
        # Healthy is a sweep and a drain; after a worker's death its lease of 30 s, at a restart of all about a minute.
        Rule(name="oldest_event", kind=Kind.GAUGE, unit="seconds", warning=120, critical=600, for_evaluations=2),
        # As many failures as delivery takes for an outage are no single bad event any more.
        Rule(name="dead_events", kind=Kind.GAUGE, unit="events", warning=0, critical=20, for_evaluations=1),
        # A writer beats once a minute: three beats missed, and ten.
        Rule(
            name="collector_silence",
            kind=Kind.GAUGE,
            unit="seconds",
            warning=180,
            critical=600,
            for_evaluations=2,
            is_silence=True,
        ),
    )
}
