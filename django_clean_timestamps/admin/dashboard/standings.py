"""How each alert stands, as the pages show it: by a sign and a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.charts import Threshold
from django_clean_timestamps.admin.marks import Mark

__all__ = [
    "CRITICAL",
    "NO_DATA",
    "OVER",
    "PENDING",
    "SILENCED",
    "WARNING",
    "WELL",
    "AlertNow",
    "judged",
    "mark_of",
    "worst_first",
]

# No sign that a system could draw as a coloured picture.
WELL: Final = Mark("✓", _("well"), "good")
WARNING: Final = Mark("▲", _("warning"), "care")
CRITICAL: Final = Mark("◆", _("critical"), "bad")
NO_DATA: Final = Mark("○", _("no data"), "quiet")
OVER: Final = Mark("△", _("over, not yet sure"), "quiet")
"""A figure over its threshold, of which chance cannot be ruled out yet, or not for long enough."""
PENDING: Final = Mark("△", _("found, not yet told"), "quiet")
SILENCED: Final = Mark("‖", _("silenced"), "quiet")

_MARKS: Final = {"warning": WARNING, "critical": CRITICAL, "no_data": NO_DATA}
_ORDER: Final = ("critical", "warning", "no_data")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlertNow:
    """
    An alert that is not ok.

    Attributes:
        rule: The rule's name.
        subject: Whose alert it is, as people read it; empty where there is one in all.
        level: ``warning``, ``critical`` or ``no_data``.
        since: When it became so, aware.
        is_silenced: Whether nobody is told of it.
    """

    rule: str
    subject: str
    level: str
    since: datetime
    is_silenced: bool = False


def mark_of(level: str) -> Mark:
    """Return how to show a level."""
    return _MARKS.get(level, WELL)


def worst_first(alerts: Iterable[AlertNow]) -> list[AlertNow]:
    """Return the alerts, critical ones first, and of these the one that lasts longest."""
    return sorted(alerts, key=lambda each: (each.is_silenced, _ORDER.index(each.level), each.since))


def judged(value: float | None, thresholds: Iterable[Threshold], alerts: Iterable[AlertNow]) -> Mark:
    """
    Return how a tile's figure stands.

    Args:
        value: The latest figure, None where there is none.
        thresholds: From where on it is bad.
        alerts: Those of its rule that are not ok: they decide, since they know what chance can do.
    """
    loud = worst_first(each for each in alerts if each.level != "no_data")
    if loud:
        return SILENCED if loud[0].is_silenced else mark_of(loud[0].level)
    if value is None:
        return NO_DATA
    return OVER if any(value > threshold.value for threshold in thresholds) else WELL
