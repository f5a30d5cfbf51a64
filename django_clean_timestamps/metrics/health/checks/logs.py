"""How the log of one database stands."""

from __future__ import annotations

from django.utils.translation import gettext as _

from django_clean_timestamps.eventlog.status import LogStatus
from django_clean_timestamps.metrics.health.limits import Limits, level_of
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Level, worst
from django_clean_timestamps.metrics.health.words import counted, duration

__all__ = ["check_sequencer", "check_transactions"]

LONG_TRANSACTION_SECONDS = 3_600.0
"""Reports take a while; past this the rows that the sequencer has moved pile up and slow it down."""

RELAY = "manage.py timestamps_relay --watch"


def check_sequencer(log: LogStatus, limits: Limits, *, is_heard: bool) -> CheckResult:
    """
    Say whether what is committed gets positions.

    Args:
        log: How the log stands, with its tables.
        limits: From where on waiting is too long.
        is_heard: Whether any handler hears it. Where none does nobody is in a hurry, and only a day's wait is told of.
    """
    level = limits.judge_backlog(log.pending_count, log.oldest_pending_age_seconds) if is_heard else Level.OK
    if log.is_stalled:
        level = worst([level, Level.CRITICAL if is_heard else Level.WARNING])
    return CheckResult(
        name="sequencer",
        subject=log.using,
        level=level,
        text=_sequencer_text(log),
        remedy=""
        if level is Level.OK
        else _("Run a Celery worker with the schedule, or '%(relay)s'.") % {"relay": RELAY},
        figures=(
            Figure("pending", "events", log.pending_count),
            Figure("oldest_pending", "seconds", log.oldest_pending_age_seconds),
            Figure("sequenced_ago", "seconds", log.sequenced_age_seconds),
            Figure("head", "positions", log.head),
        ),
    )


def check_transactions(log: LogStatus) -> CheckResult:
    """Say how long the oldest transaction of others has been open."""
    age = log.oldest_transaction_age_seconds
    level = level_of(age, LONG_TRANSACTION_SECONDS, None)
    if age is not None:
        text = _("The oldest transaction has been open for %(age)s.") % {"age": duration(age)}
    elif log.is_oldest_transaction_known:
        text = _("No transaction is open.")
    else:
        text = _("The database does not show the transactions of others.")
    return CheckResult(
        name="transactions",
        subject=log.using,
        level=level,
        text=text,
        remedy=""
        if level is Level.OK
        else _("See which session holds it: dead rows stay as long as it is open, and slow the sequencer down."),
        figures=(Figure("oldest", "seconds", age),),
    )


def _sequencer_text(log: LogStatus) -> str:
    age = log.oldest_pending_age_seconds
    if not log.pending_count or age is None:
        return _("Every event has its position.")
    values = {"count": counted(log.pending_count), "age": duration(age)}
    if log.has_more_pending:
        return _("Waiting for a position: %(count)s events or more, the oldest for %(age)s.") % values
    return _("Waiting for a position: %(count)s, the oldest for %(age)s.") % values
