"""How full the logs were and how far each handler was."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import F, Max

from django_clean_timestamps.metrics.models import MetricSample, Tier
from django_clean_timestamps.metrics.queries.filters import Filters
from django_clean_timestamps.metrics.sampling import SAMPLE_SECONDS

__all__ = [
    "LAGS_SHOWN",
    "Backlog",
    "Lags",
    "Standing",
    "SubscriptionLag",
    "read_backlog",
    "read_lags",
    "read_standings",
]

LAGS_SHOWN: Final = 6
"""How many subscriptions are shown one by one: as many as there are lines that differ without their colours."""

WITHOUT_ALARM = ("paused", "replaying", "orphan")
"""States of subscriptions that explain how far behind they are."""

_SUBSCRIPTION: Final = ("handler", "log_alias", "database")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """
    The worst log or subscription by time, of those that nothing explains; None where there was no sample.

    Attributes:
        times: When each period begins, aware, in UTC.
        step_seconds: How long a period is.
        waiting: How many events waited.
        oldest_seconds: How long the oldest of them had waited; 0 where none did.
    """

    times: tuple[datetime, ...]
    step_seconds: int
    waiting: tuple[int | None, ...]
    oldest_seconds: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionLag:
    """
    How far one subscription was behind by time, whether or not anything explains it.

    Attributes:
        handler: Its handler.
        log_alias: Which log it reads.
        database: Where it lives.
        waiting: How many events waited at the worst in each period, None where there was no sample.
        oldest_seconds: How long the oldest of them had waited; 0 where none did.
    """

    handler: str
    log_alias: str
    database: str
    waiting: tuple[int | None, ...]
    oldest_seconds: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """
    How far subscriptions were behind by time.

    Attributes:
        times: As of a :class:`Backlog`.
        step_seconds: Likewise.
        furthest: Those that were furthest behind, the worst first.
        others_count: How many there are beside them.
        others_waiting: How many events waited for the worst of those, at its worst.
    """

    times: tuple[datetime, ...]
    step_seconds: int
    furthest: tuple[SubscriptionLag, ...]
    others_count: int
    others_waiting: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one log or subscription stood when it was last sampled; see ``MetricSample``."""

    at: datetime
    kind: str
    log_alias: str
    handler: str
    database: str
    state: str
    waiting: int
    oldest_seconds: float | None
    position: int
    parked: int
    dead: int

    @property
    def raises_alarm(self) -> bool:
        """Whether nothing explains how far behind it is."""
        return self.state not in WITHOUT_ALARM


def read_backlog(using: str, filters: Filters) -> Backlog:
    """Return how many events waited, and how long, at their worst in each period. One statement."""
    step, starts = filters.tier, _starts(filters)
    waiting: dict[int, int] = {}
    oldest: dict[int, float] = {}
    worst = _samples(using, filters).exclude(state__in=WITHOUT_ALARM).values_list("start")
    for start, most, longest in worst.annotate(most=Max("waiting"), longest=Max("oldest_seconds")).order_by():
        place = start - start % step
        waiting[place] = max(waiting.get(place, 0), most)
        oldest[place] = max(oldest.get(place, 0.0), longest or 0.0)
    return Backlog(
        times=_times(starts),
        step_seconds=step,
        waiting=tuple(waiting.get(start) for start in starts),
        oldest_seconds=tuple(oldest.get(start) for start in starts),
    )


def read_lags(using: str, filters: Filters, *, limit: int = LAGS_SHOWN) -> Lags:
    """
    Return how far each subscription was behind, those by name that were furthest. Two statements.

    Args:
        using: The metrics' database.
        filters: Of which time.
        limit: How many are told one by one.
    """
    step, starts = filters.tier, _starts(filters)
    rows = _samples(using, filters).filter(kind=MetricSample.Kind.SUBSCRIPTION)
    # In two steps, so that a project of many handlers does not bring each of their points.
    worst = rows.values_list(*_SUBSCRIPTION).annotate(most=Max("waiting"), longest=Max("oldest_seconds")).order_by()
    ranked = sorted(worst, key=lambda each: (-each[3], -(each[4] or 0), each[:3]))
    shown, others = [each[:3] for each in ranked[:limit]], ranked[limit:]
    found: dict[tuple[str, str, str], dict[int, tuple[int, float]]] = {names: {} for names in shown}
    points = rows.filter(handler__in={names[0] for names in shown}).values_list(
        *_SUBSCRIPTION, F("start") - F("start") % step
    )
    for *names, place, most, longest in points.annotate(most=Max("waiting"), longest=Max("oldest_seconds")).order_by():
        # A handler may have another subscription, to another log, that is not among them.
        if tuple(names) in found:
            found[tuple(names)][place] = (most, longest or 0.0)
    return Lags(
        times=_times(starts),
        step_seconds=step,
        furthest=tuple(_lag(names, found[names], starts) for names in shown),
        others_count=len(others),
        others_waiting=others[0][3] if others else 0,
    )


def read_standings(using: str, sampled_at: int) -> Sequence[Standing]:
    """
    Return the last sample of every log and subscription. One statement.

    Args:
        using: The metrics' database.
        sampled_at: When the last ones were taken, as the lease's row has it.
    """
    rows = MetricSample.objects.using(using).filter(tier=0, start=sampled_at - sampled_at % SAMPLE_SECONDS)
    names = [field.name for field in dataclasses.fields(Standing) if field.name != "at"]
    return [
        Standing(at=datetime.fromtimestamp(row.start, UTC), **{name: getattr(row, name) for name in names})
        for row in rows.order_by("kind", "log_alias", "handler", "database")
    ]


def _samples(using: str, filters: Filters) -> Any:
    step = filters.tier
    # A minute has no row of its own: its samples are read.
    tier = 0 if step == Tier.MINUTE else step
    return MetricSample.objects.using(using).filter(
        tier=tier, start__gte=filters.start - filters.start % step, start__lt=filters.end
    )


def _starts(filters: Filters) -> range:
    return range(filters.start - filters.start % filters.tier, filters.end, filters.tier)


def _times(starts: range) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(start, UTC) for start in starts)


def _lag(names: tuple[str, str, str], points: dict[int, tuple[int, float]], starts: range) -> SubscriptionLag:
    handler, log_alias, database = names
    found = [points.get(start) for start in starts]
    return SubscriptionLag(
        handler=handler,
        log_alias=log_alias,
        database=database,
        waiting=tuple(None if point is None else point[0] for point in found),
        oldest_seconds=tuple(None if point is None else point[1] for point in found),
    )
