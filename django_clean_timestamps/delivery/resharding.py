"""Dividing a handler's subscription anew, without ever letting two divisions run one entity at once."""

from __future__ import annotations

import logging
from typing import Any

from django.db import connections
from django.db.models import F

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.subscriptions import ranges_of
from django_clean_timestamps.eventlog.bounds import read_head
from django_clean_timestamps.eventlog.fields import DatabaseNow
from django_clean_timestamps.eventlog.transactions import own_transaction

__all__ = ["begin_resharding", "complete_resharding"]

logger = logging.getLogger("django_clean_timestamps.delivery")


def begin_resharding(handler: str, log_alias: str, using: str, count: int) -> bool:
    """
    Let a handler's shards stop at the head, to be divided anew once all of them are there; say if there are any.

    A batch that is under way is rolled back and begun again. Asked for again, the last number counts.

    Args:
        handler: Its name.
        log_alias: The log's database alias.
        using: Where its subscription lives.
        count: Into how many shards, 1 to 256.
    """
    with own_transaction(connections[using]):
        shards = list(_locked(handler, log_alias, using))
        if not shards:
            return False
        # Read while no batch can commit, so that no cursor is past it.
        head = max(read_head(connections[log_alias]), *(shard.cursor for shard in shards))
        _of(handler, log_alias, using).update(until=head, shards_wanted=count, epoch=F("epoch") + 1)
    return True


def complete_resharding(handler: str, log_alias: str, using: str) -> bool:
    """
    Put the new shards in place of the old ones where these have all arrived; say if that was done.

    What is parked stays parked: it belongs to its slot, whichever shard that is in.
    """
    with own_transaction(connections[using]):
        shards = list(_locked(handler, log_alias, using))
        if not shards or any(shard.shards_wanted is None or shard.cursor != shard.until for shard in shards):
            return False
        if _of(handler, log_alias, using).filter(lease_until__gte=DatabaseNow()).exists():
            return False
        new = _divided(shards)
        _of(handler, log_alias, using).delete()
        Subscription.objects.using(using).bulk_create(new)
    logger.info("%s has %d shards from position %s on", handler, len(new), new[0].cursor)
    return True


def _divided(shards: list[Subscription]) -> list[Subscription]:
    first: Any = shards[0]
    is_paused = any(shard.state == Subscription.State.PAUSED for shard in shards)
    return [
        Subscription(
            handler=first.handler,
            log_alias=first.log_alias,
            slot_from=slot_from,
            slot_to=slot_to,
            start=min(shard.start for shard in shards),
            cursor=first.until,
            replay_until=max(shard.replay_until for shard in shards),
            state=Subscription.State.PAUSED if is_paused else Subscription.State.ACTIVE,
        )
        for slot_from, slot_to in ranges_of(first.shards_wanted)
    ]


def _of(handler: str, log_alias: str, using: str) -> Any:
    return Subscription.objects.using(using).filter(handler=handler, log_alias=log_alias)


def _locked(handler: str, log_alias: str, using: str) -> Any:
    return _of(handler, log_alias, using).select_for_update().order_by("slot_from")
