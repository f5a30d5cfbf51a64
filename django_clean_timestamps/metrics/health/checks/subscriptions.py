"""How each handler stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from django.utils.translation import gettext as _

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import SubscriptionStatus
from django_clean_timestamps.metrics.health.limits import Limits
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Level, worst
from django_clean_timestamps.metrics.health.words import counted, duration

__all__ = ["check_dead_events", "check_subscriptions", "waits"]

State = Subscription.State

Shards = Sequence[SubscriptionStatus]


def check_subscriptions(subscriptions: Sequence[SubscriptionStatus], limits: Limits) -> Iterator[CheckResult]:
    """Yield how each handler stands in each of its databases, of all its shards together."""
    for (handler, using), shards in groupby(subscriptions, key=lambda each: (each.handler, each.using)):
        yield _check(handler, using, list(shards), limits)


def check_dead_events(log_alias: str, subscriptions: Sequence[SubscriptionStatus], limits: Limits) -> CheckResult:
    """Say how many events of a log are dead."""
    count = sum(each.dead_count for each in subscriptions)
    names = ", ".join(sorted({each.handler for each in subscriptions if each.dead_count}))
    text = _("Dead events: %(count)s, of %(names)s.") % {"count": counted(count), "names": names}
    return CheckResult(
        name="dead_events",
        subject=log_alias,
        level=limits.judge("dead_events", count),
        text=text if count else _("No event is dead."),
        remedy=_("Mend what they failed of, then run 'manage.py timestamps_retry'.") if count else "",
        figures=(Figure("dead", "events", count),),
    )


def waits(shard: SubscriptionStatus) -> bool:
    """Say whether events wait for somebody to move a subscription, and nothing explains it."""
    is_moved = shard.state == State.ACTIVE and not shard.problem and not _is_useless(shard)
    return is_moved and bool(shard.lag_count) and not _replays(shard)


def _check(handler: str, using: str, shards: Shards, limits: Limits) -> CheckResult:
    lag = max(shard.lag_count for shard in shards)
    age = max((shard.lag_seconds for shard in shards if shard.lag_seconds is not None), default=None)
    found = [(_level(shard, limits), *_said(shard)) for shard in shards]
    level, text, remedy = max(found, key=lambda each: (tuple(Level).index(each[0]), each[1]))
    if not remedy and level is not Level.OK:
        remedy = _("Run more workers, divide it into shards, or make the handler faster.")
    return CheckResult(
        name="subscription",
        subject=handler if using == shards[0].log_alias else f"{handler} ({using})",
        level=level,
        text=" ".join(filter(None, [text, _behind(lag, age)])),
        remedy=remedy,
        figures=(
            Figure("lag", "events", lag),
            Figure("lag", "seconds", age),
            Figure("parked", "events", sum(shard.retry_count + shard.waiting_count for shard in shards)),
            Figure("dead", "events", sum(shard.dead_count for shard in shards)),
            Figure("failed_in_a_row", "attempts", max(shard.failures for shard in shards)),
        ),
        detail="; ".join(dict.fromkeys(shard.problem for shard in shards if shard.problem)),
    )


def _behind(lag: int, age: float | None) -> str:
    if not lag:
        return _("Up to date.")
    if age is None:
        return _("Positions behind: %(count)s.") % {"count": counted(lag)}
    values = {"count": counted(lag), "age": duration(age)}
    return _("Positions behind: %(count)s, the first recorded %(age)s ago.") % values


def _level(shard: SubscriptionStatus, limits: Limits) -> Level:
    lagging = limits.judge_backlog(shard.lag_count, shard.lag_seconds)
    if _is_useless(shard):
        return Level.WARNING
    if shard.state == State.PAUSED:
        return Level.OK
    if shard.state == State.BACKING_OFF:
        return worst([Level.WARNING, lagging])
    if shard.problem:
        return Level.CRITICAL
    return Level.OK if _replays(shard) else lagging


def _said(shard: SubscriptionStatus) -> tuple[str, str]:
    """Return what is to be said of a shard beside its lag, and what to do."""
    if _is_useless(shard):
        return (
            _("Its handler is gone from the code, or lives elsewhere now, and nobody moves it; it keeps old events."),
            _("Run 'manage.py timestamps_status': it says which of forgetting and renaming it needs."),
        )
    if shard.state == State.PAUSED:
        return _("Paused."), _("'manage.py timestamps_resume %(handler)s' lets it go on.") % {"handler": shard.handler}
    if shard.state == State.BACKING_OFF:
        return (
            _("It fails on everything, and tries now and then."),
            _("See with 'manage.py timestamps_status' what it failed of; it goes on by itself once that is mended."),
        )
    if shard.problem:
        return _("It goes no further."), _("See why with 'manage.py timestamps_status'.")
    return (_("It hears events again."), "") if _replays(shard) else ("", "")


def _is_useless(shard: SubscriptionStatus) -> bool:
    handler = get_handlers().get(shard.handler)
    if handler is None:
        return True
    return not handler.hears_log(shard.log_alias) or handler.alias_for(shard.log_alias) != shard.using


def _replays(shard: SubscriptionStatus) -> bool:
    return shard.replay_until > shard.cursor
