"""The gauges, named once for every exporter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.metrics.alerts.judging import Level
from django_clean_timestamps.metrics.alerts.states import Status
from django_clean_timestamps.metrics.exporters.snapshot import Snapshot
from django_clean_timestamps.metrics.models import MetricSample
from django_clean_timestamps.metrics.queries.backlog import Standing
from django_clean_timestamps.metrics.sampling import ORPHAN, REPLAYING

__all__ = ["GAUGES", "Gauge"]

Samples = Iterable[tuple[tuple[str, ...], float]]

STATES: Final = (*Subscription.State.values, REPLAYING, ORPHAN)

LOG: Final = ("log",)
SUBSCRIPTION: Final = ("log", "handler", "database")
ALERT: Final = ("rule", "subject")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """
    One figure, or one for each of several subjects.

    Attributes:
        name: Words with dots between them, without package and unit.
        unit: In the plural, ``""`` for none.
        text: What it tells.
        labels: The names of what subjects are told apart by.
        read: Returns a value for each subject, with its labels.
    """

    name: str
    unit: str = ""
    text: str
    labels: tuple[str, ...] = ()
    read: Callable[[Snapshot], Samples]


def _of_logs(value: Callable[[Standing], float]) -> Callable[[Snapshot], Samples]:
    def read(snapshot: Snapshot) -> Samples:
        logs = (each for each in snapshot.standings if each.kind == MetricSample.Kind.LOG)
        return [((each.log_alias,), value(each)) for each in logs]

    return read


def _of_subscriptions(value: Callable[[Standing], float]) -> Callable[[Snapshot], Samples]:
    return lambda snapshot: [(_subject(each), value(each)) for each in _subscriptions(snapshot)]


def _states(snapshot: Snapshot) -> Samples:
    return [
        ((*_subject(each), state), float(each.state == state)) for each in _subscriptions(snapshot) for state in STATES
    ]


def _subscriptions(snapshot: Snapshot) -> Iterator[Standing]:
    return (each for each in snapshot.standings if each.kind == MetricSample.Kind.SUBSCRIPTION)


def _subject(standing: Standing) -> tuple[str, ...]:
    return standing.log_alias, standing.handler, standing.database


def _firing(snapshot: Snapshot) -> Samples:
    return [
        ((each.rule, each.subject, level), float((each.state, each.level) == (Status.FIRING, level)))
        for each in snapshot.alerts
        for level in (Level.WARNING, Level.CRITICAL)
    ]


def _silenced(snapshot: Snapshot) -> Samples:
    now = snapshot.freshness.now
    return [((each.rule, each.subject), float(each.is_silenced(now))) for each in snapshot.alerts]


def _data_age(snapshot: Snapshot) -> Samples:
    age = snapshot.freshness.age_seconds
    return [] if age is None else [((), age)]


GAUGES: Final = (
    Gauge(
        name="log.pending",
        unit="events",
        text="Committed events without a position yet.",
        labels=LOG,
        read=_of_logs(lambda each: each.waiting),
    ),
    Gauge(
        name="log.oldest_pending",
        unit="seconds",
        text="How long the oldest event without a position has waited; 0 where none waits.",
        labels=LOG,
        read=_of_logs(lambda each: each.oldest_seconds or 0.0),
    ),
    Gauge(
        name="log.head",
        text="The last position given in a log.",
        labels=LOG,
        read=_of_logs(lambda each: each.position),
    ),
    Gauge(
        name="subscription.waiting",
        unit="events",
        text="Events that a handler has still to hear, in the shard that is furthest behind.",
        labels=SUBSCRIPTION,
        read=_of_subscriptions(lambda each: each.waiting),
    ),
    Gauge(
        name="subscription.oldest_waiting",
        unit="seconds",
        text="How long the oldest event that a handler has still to hear has waited; 0 where none waits.",
        labels=SUBSCRIPTION,
        read=_of_subscriptions(lambda each: each.oldest_seconds or 0.0),
    ),
    Gauge(
        name="subscription.position",
        text="The cursor of a handler, of the shard that is furthest behind.",
        labels=SUBSCRIPTION,
        read=_of_subscriptions(lambda each: each.position),
    ),
    Gauge(
        name="subscription.parked",
        unit="events",
        text="Events that a handler failed on and will be given again, with those that wait behind them.",
        labels=SUBSCRIPTION,
        read=_of_subscriptions(lambda each: each.parked),
    ),
    Gauge(
        name="subscription.dead",
        unit="events",
        text="Events that a handler failed on and will not be given again by itself.",
        labels=SUBSCRIPTION,
        read=_of_subscriptions(lambda each: each.dead),
    ),
    Gauge(
        name="subscription.state",
        text="1 for the state that a handler is in, 0 for every other one.",
        labels=(*SUBSCRIPTION, "state"),
        read=_states,
    ),
    Gauge(
        name="alert.firing",
        text="1 for the level that an alert fires with, else 0.",
        labels=(*ALERT, "level"),
        read=_firing,
    ),
    Gauge(
        name="alert.silenced",
        text="1 for an alert of which nobody is told now, else 0.",
        labels=ALERT,
        read=_silenced,
    ),
    Gauge(
        name="processes",
        text="Processes that record and were seen within the last 150 seconds.",
        labels=("kind",),
        read=lambda snapshot: [((kind,), count) for kind, count in snapshot.living.items()],
    ),
    Gauge(
        name="clock_skew",
        unit="seconds",
        text="How far the clock of a living process is off the database's, of the one that is furthest.",
        read=lambda snapshot: [((), snapshot.skew_seconds)],
    ),
    Gauge(
        name="data_age",
        unit="seconds",
        text="How long ago samples were last taken; not there before the first.",
        read=_data_age,
    ),
    Gauge(
        name="counted_until_timestamp",
        unit="seconds",
        text="Up to when the counters count, in seconds since 1970; they are 3 to 5 minutes behind.",
        read=lambda snapshot: [((), snapshot.totals.counted_until)],
    ),
)
"""Every gauge, in the order in which they are exported."""
