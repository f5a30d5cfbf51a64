"""Waiting until a handler's new shards have taken over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from django_clean_timestamps.delivery.doorbell import draining
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.subscriptions import ranges_of

__all__ = ["is_divided", "wait_until_divided"]

PATIENCE_SECONDS: Final = 5.0
"""How much longer than a lease nothing may move before it is given up."""

PAUSE_SECONDS: Final = 0.1
DRAIN_SECONDS: Final = 1.0


def is_divided(handler: str, place: Place, count: int) -> bool:
    """Say whether a handler has so many shards already, and is to have no other."""
    shards = _shards(handler, place)
    is_final = all(shard.until is None for shard in shards)
    return is_final and [(shard.slot_from, shard.slot_to) for shard in shards] == ranges_of(count)


def wait_until_divided(
    handler: str, place: Place, *, stop: threading.Event, progress: Callable[[int], None]
) -> str | None:
    """
    Drain a log until a handler's new shards are there; return what that waits for where it is given up, else None.

    Args:
        handler: Its name; it is being resharded.
        place: Where its subscription is.
        stop: Gives it up.
        progress: Called again and again with how many positions lie before the new shards.

    Raises:
        Error: A database cannot be reached.
    """
    declared = get_handlers().get(handler)
    if declared is None:
        return "its handler, which is gone from the code"
    seen, moved_at = -1, time.monotonic()
    while (left := _left(shards := _shards(handler, place))) is not None:
        if stop.is_set():
            return "the next drain"
        if reason := _standing(shards):
            return reason
        if left != seen:
            seen, moved_at = left, time.monotonic()
        elif time.monotonic() - moved_at > declared.lease_length + PATIENCE_SECONDS:
            return "others who have its lease"
        else:
            stop.wait(PAUSE_SECONDS)
        progress(left)
        with draining(place.log_alias):
            drain(place.log_alias, seconds=DRAIN_SECONDS, should_stop=stop.is_set)
    return None


def _shards(handler: str, place: Place) -> Sequence[Subscription]:
    shards = Subscription.objects.using(place.using).filter(handler=handler, log_alias=place.log_alias)
    return list(shards.order_by("slot_from"))


def _left(shards: Sequence[Subscription]) -> int | None:
    """Return how many positions lie before the new shards, None where there are no others."""
    to_go = [shard.until - shard.cursor for shard in shards if shard.until is not None]
    return sum(to_go) if to_go else None


def _standing(shards: Sequence[Subscription]) -> str:
    """Return what keeps an old shard from arriving, "" for nothing."""
    for shard in shards:
        if shard.until is not None and shard.cursor < shard.until:
            if shard.state == Subscription.State.PAUSED:
                return "timestamps_resume, since it is paused"
            if shard.problem:
                return f"what keeps it from going on: {shard.problem}"
    return ""
