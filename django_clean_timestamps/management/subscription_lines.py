"""Subscriptions as lines of text, and as values of JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.status import SubscriptionStatus
from django_clean_timestamps.delivery.subscriptions import SLOT_COUNT
from django_clean_timestamps.management.ages import in_words

__all__ = ["subscription_as_json", "subscription_lines"]

State = Subscription.State


def subscription_as_json(status: SubscriptionStatus) -> dict[str, Any]:
    """Return a subscription's values under their names, times in ISO 8601, and whether it is well."""
    values = {name: _plain(value) for name, value in dataclasses.asdict(status).items()}
    return {**values, "is_well": status.is_well}


def subscription_lines(subscriptions: Sequence[SubscriptionStatus]) -> Iterator[str]:
    """Yield a line for each, in columns."""
    rows = [(_name(each), _standing(each), _counts(each)) for each in subscriptions]
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, standing, counts in rows:
        yield f"{name:<{width}}  {standing}{counts}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _name(status: SubscriptionStatus) -> str:
    place = "" if status.using == status.log_alias else f", in {status.using}"
    is_whole = (status.slot_from, status.slot_to) == (0, SLOT_COUNT - 1)
    return status.handler + ("" if is_whole else f" [{status.slot_from}-{status.slot_to}]") + place


def _standing(status: SubscriptionStatus) -> str:
    told = {State.PAUSED: "paused, ", State.BACKING_OFF: "backs off, "}.get(State(status.state), "")
    if not status.lag_count:
        return f"{told}up to date"
    age = "" if status.lag_seconds is None else f", the first recorded {in_words(status.lag_seconds)} ago"
    return f"{told}at {status.cursor:,}, {status.lag_count:,} behind{age}"


def _counts(status: SubscriptionStatus) -> str:
    counts = (
        (status.retry_count, "to be retried"),
        (status.waiting_count, "waiting behind them"),
        (status.dead_count, "dead"),
    )
    return "".join(f"; {count:,} {word}" for count, word in counts if count)
