"""Which alerts fire."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Level, worst
from django_clean_timestamps.metrics.health.words import listed
from django_clean_timestamps.metrics.queries.alerts import Alert

__all__ = ["check_alerts"]


def check_alerts(alerts: Sequence[Alert], evaluation_age_seconds: float | None) -> CheckResult:
    """
    Say which alerts fire, or did when their data ended, and how bad the worst is; silenced ones raise nothing.

    Args:
        alerts: As they stand.
        evaluation_age_seconds: How long ago that was found, None for never.
    """
    firing = [alert for alert in alerts if alert.is_open]
    loud = [alert for alert in firing if alert.silenced_until is None]
    names = [f"{alert.title} ({alert.subject_in_words})" for alert in loud]
    return CheckResult(
        name="alerts",
        level=worst(Level(alert.level) for alert in loud),
        text=_("Firing: %(names)s.") % {"names": listed(names)} if loud else _("No alert fires."),
        remedy=" ".join(dict.fromkeys(alert.advice for alert in loud)),
        figures=(
            Figure("firing", "alerts", len(loud)),
            Figure("silenced", "alerts", len(firing) - len(loud)),
            Figure("evaluated_ago", "seconds", evaluation_age_seconds),
        ),
    )
