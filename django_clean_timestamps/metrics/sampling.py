"""How full the logs are and how far each handler is, taken down now and then."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import Error, connections
from django.db.models import Max

from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.places import delivery_aliases
from django_clean_timestamps.delivery.status import SubscriptionStatus, read_subscriptions
from django_clean_timestamps.eventlog.aliases import entity_aliases
from django_clean_timestamps.eventlog.status import LogStatus, read_status
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.metrics.busy import is_busy
from django_clean_timestamps.metrics.lease import MetricsLease
from django_clean_timestamps.metrics.models import MetricSample, Tier
from django_clean_timestamps.metrics.store import upsert

__all__ = ["SAMPLE_SECONDS", "Sampler", "take_samples"]

SAMPLE_SECONDS: Final = 15
"""How far apart samples are."""

REPLAYING: Final = "replaying"
ORPHAN: Final = "orphan"

_FINER: Final = {Tier.TEN_MINUTES: 0, Tier.HOUR: Tier.TEN_MINUTES, Tier.DAY: Tier.HOUR}
_SUBJECT: Final = ("kind", "log_alias", "handler", "database")
_WORST: Final = ("waiting", "oldest_seconds", "position", "parked", "dead")

logger = logging.getLogger("django_clean_timestamps.metrics")


class Sampler:
    """
    The samples in the metrics' database.

    Args:
        using: Its alias.
    """

    def __init__(self, using: str) -> None:
        self.using = using

    def sample(self, lease: MetricsLease, now: int) -> None:
        """
        Take samples if they are due.

        Raises:
            LeaseLost: Another process does it.
            Error: The metrics' database could not do it now, or is a SQLite that somebody else was writing.
        """
        at = now - now % SAMPLE_SECONDS
        if at <= lease.sampled_at:
            return
        samples = take_samples(at, unwaited=self.using)
        with own_transaction(connections[self.using]):
            upsert(self.using, samples, unique=["tier", "start", *_SUBJECT], update=["state", *_WORST])
            for tier, finer in _FINER.items():
                self._recompute(tier, finer, at - at % tier)
            lease.note(sampled_at=at)

    def _recompute(self, tier: Tier, finer: int, start: int) -> None:
        """Write how each stood at its worst, anew from the rows below."""
        rows: Any = MetricSample.objects.using(self.using).filter(tier=finer, start__gte=start, start__lt=start + tier)
        worst = rows.values(*_SUBJECT).annotate(**{f"worst_{name}": Max(name) for name in _WORST}).order_by(*_SUBJECT)
        upsert(
            self.using,
            [
                MetricSample(
                    tier=tier,
                    start=start,
                    **{name: row[name] for name in _SUBJECT},
                    **{name: row[f"worst_{name}"] for name in _WORST},
                )
                for row in worst
            ],
            unique=["tier", "start", *_SUBJECT],
            update=_WORST,
        )


def take_samples(start: int, *, unwaited: str | None = None) -> list[MetricSample]:
    """
    Return how every log and subscription stands now; what cannot be reached is logged and left out.

    Args:
        start: When that is, as a Unix time.
        unwaited: The alias that is asked without waiting, so that a SQLite which somebody else is writing is no news.

    Raises:
        Error: That one was busy; samples can be taken in a moment.
    """
    samples = []
    for alias in entity_aliases():
        try:
            log = read_status(alias)
            if log.missing_tables:
                continue
            samples += [
                _of_log(start, log),
                *_of_subscriptions(start, log, read_subscriptions(alias, delivery_aliases())),
            ]
        except Error as error:
            if alias == unwaited and is_busy(error):
                raise
            logger.warning("The log of %r could not be sampled: %s", alias, one_line(error))
    return samples


def _of_log(start: int, log: LogStatus) -> MetricSample:
    return MetricSample(
        start=start,
        tier=0,
        kind=MetricSample.Kind.LOG,
        log_alias=log.using,
        handler="",
        database="",
        state="",
        waiting=log.pending_count,
        oldest_seconds=log.oldest_pending_age_seconds,
        position=log.head,
        parked=0,
        dead=0,
    )


def _of_subscriptions(start: int, log: LogStatus, statuses: Iterable[SubscriptionStatus]) -> list[MetricSample]:
    """Return a sample for each subscription: how far its worst shard lags, and what is parked of all of them."""
    grouped: dict[tuple[str, str], list[SubscriptionStatus]] = {}
    for status in statuses:
        grouped.setdefault((status.handler, status.using), []).append(status)
    return [_of_shards(start, log, shards) for _, shards in sorted(grouped.items(), key=lambda item: item[0])]


def _of_shards(start: int, log: LogStatus, shards: Sequence[SubscriptionStatus]) -> MetricSample:
    worst = max(shards, key=lambda shard: shard.lag_count)
    ages = [
        age for age in (*(shard.lag_seconds for shard in shards), log.oldest_pending_age_seconds) if age is not None
    ]
    return MetricSample(
        start=start,
        tier=0,
        kind=MetricSample.Kind.SUBSCRIPTION,
        log_alias=log.using,
        handler=worst.handler,
        database=worst.using,
        state=_state_of(shards),
        waiting=worst.lag_count + log.pending_count,
        oldest_seconds=max(ages, default=None),
        position=worst.cursor,
        parked=sum(shard.retry_count + shard.waiting_count for shard in shards),
        dead=sum(shard.dead_count for shard in shards),
    )


def _state_of(shards: Sequence[SubscriptionStatus]) -> str:
    """Return the one word for all shards: what explains a lag wins over what does not."""
    if any(shard.is_orphan for shard in shards):
        return ORPHAN
    if any(shard.state == Subscription.State.PAUSED for shard in shards):
        return str(Subscription.State.PAUSED)
    if any(shard.replay_until > shard.cursor for shard in shards):
        return REPLAYING
    if any(shard.state == Subscription.State.BACKING_OFF for shard in shards):
        return str(Subscription.State.BACKING_OFF)
    return str(Subscription.State.ACTIVE)
