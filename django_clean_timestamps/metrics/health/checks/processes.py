"""The processes that record: whether one delivers, whether one keeps house, and how right their clocks are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext as _

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.health.limits import Limits, level_of
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Level
from django_clean_timestamps.metrics.health.words import counted, duration
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.queries.processes import LIVING_SECONDS, Freshness, Process

__all__ = ["check_clocks", "check_collector", "check_delivery", "check_series"]

Kind = MetricWriter.Kind

DELIVERING = (Kind.WORKER, Kind.RELAY)

SKEW_SECONDS = 1.0
"""What a clock that is kept right by NTP never reaches; the time of a question to the database is in it."""


def check_delivery(oldest_seconds: float | None, processes: Sequence[Process] | None, limits: Limits) -> CheckResult:
    """
    Say whether anybody delivers: a worker or a relay gives signs of life, and what waits is moved.

    Nobody is needed where nothing waits: a relay that is run now and then ends in between.

    Args:
        oldest_seconds: How long the oldest event has waited to be moved, of those whose wait nothing explains.
        processes: Those that record, None where they are not known.
        limits: From where on waiting is too long.
    """
    level = limits.judge("oldest_event", oldest_seconds)
    delivering = [each for each in processes or () if each.is_living and each.kind in DELIVERING]
    figures = [Figure("oldest", "seconds", oldest_seconds)]
    if processes is not None:
        figures.append(Figure("delivering", "processes", len(delivering)))
        if not delivering and level is Level.WARNING:
            level = Level.CRITICAL
    return CheckResult(
        name="delivery",
        level=level,
        text=f"{_who(delivering, is_known=processes is not None)} {_waiting(oldest_seconds)}",
        remedy="" if level is Level.OK else _remedy(bool(delivering)),
        figures=tuple(figures),
    )


def check_collector(freshness: Freshness, processes: Sequence[Process], limits: Limits) -> CheckResult:
    """Say when a process last kept house among the metrics, and how many live."""
    kinds = Counter(each.kind for each in processes if each.is_living)
    age = freshness.age_seconds
    level = Level.WARNING if age is None else limits.judge("collector_silence", age)
    text = _("Nothing was collected yet.")
    if age is not None:
        text = _("House was last kept %(age)s ago.") % {"age": duration(age)}
    return CheckResult(
        name="collector",
        level=level,
        text=f"{text} {_living(kinds)}",
        remedy=""
        if level is Level.OK
        else _("Any process that records keeps house: start a worker, or 'manage.py timestamps_relay --watch'."),
        figures=(
            Figure("kept_ago", "seconds", age),
            Figure("living", "processes", kinds.total()),
            *(Figure(f"living_{kind}", "processes", kinds[kind]) for kind in Kind.values),
        ),
    )


def check_clocks(processes: Sequence[Process]) -> CheckResult:
    """Say how far the clocks of the living processes are from the database's."""
    living = [each for each in processes if each.is_living]
    furthest = max(living, key=lambda each: abs(each.skew_seconds), default=None)
    if furthest is None:
        return CheckResult(name="clocks", level=Level.OK, text=_("No process lives whose clock could be wrong."))
    skew = abs(furthest.skew_seconds)
    # Further ahead, and what it stamps is refused by all others as lying in the future.
    level = level_of(skew, SKEW_SECONDS, max(SKEW_SECONDS, get_settings().max_future_seconds))
    return CheckResult(
        name="clocks",
        level=level,
        text=_("The clocks are right.")
        if level is Level.OK
        else _("The clock of %(host)s (%(kind)s) is %(age)s %(direction)s the database's.")
        % {
            "host": furthest.host,
            "kind": furthest.kind,
            "age": duration(skew),
            "direction": _("ahead of") if furthest.skew_seconds > 0 else _("behind"),
        },
        remedy="" if level is Level.OK else _("Keep the clocks of all hosts right, by NTP; stamps are theirs."),
        figures=(Figure("furthest", "seconds", furthest.skew_seconds),),
    )


def check_series(processes: Sequence[Process]) -> CheckResult:
    """
    Say how many observations had no series of their own left.

    They are counted all the same, under ``__other__``, and there is nothing that has to be done: always ok.
    """
    count = sum(each.dropped for each in processes if each.is_living)
    return CheckResult(
        name="series",
        level=Level.OK,
        text=_("Counted under __other__, since there are too many series: %(count)s observations.")
        % {"count": counted(count)}
        if count
        else _("Each observation is counted in a series of its own."),
        figures=(Figure("other", "observations", count),),
    )


def _who(delivering: Sequence[Process], *, is_known: bool) -> str:
    if not is_known:
        return _("Whether a worker or a relay lives is not known without metrics.")
    if not delivering:
        return _("No worker and no relay has given a sign of life for %(age)s.") % {"age": duration(LIVING_SECONDS)}
    return _living(Counter(each.kind for each in delivering))


def _living(kinds: Counter[str]) -> str:
    if not kinds:
        return _("No process lives.")
    named = ", ".join(f"{kinds[kind]} {Kind(kind).label}" for kind in Kind.values if kinds[kind])
    return _("Living processes: %(named)s.") % {"named": named}


def _waiting(oldest_seconds: float | None) -> str:
    if oldest_seconds is None:
        return _("Nothing waits.")
    return _("The oldest event waits for %(age)s.") % {"age": duration(oldest_seconds)}


def _remedy(has_delivering: bool) -> str:
    if has_delivering:
        return _("See whether they take the queue that doorbells and sweeps go to (QUEUE), and what they log.")
    return _("Start a Celery worker with the schedule, or 'manage.py timestamps_relay --watch'.")
