"""What a handler's name and division are changed by."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import F, QuerySet

from django_clean_timestamps.delivery.models import HANDLER_LENGTH, ParkedEvent, Subscription
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import SHARDS_AT_MOST, get_handlers
from django_clean_timestamps.delivery.resharding import begin_resharding
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.exceptions import DeliveryError

__all__ = ["Forgotten", "forget", "rename", "reshard"]

logger = logging.getLogger("django_clean_timestamps.delivery")


class Forgotten(NamedTuple):
    """How many rows were deleted."""

    shards: int
    parked: int


def forget(handler: str, place: Place, *, force: bool = False) -> Forgotten:
    """
    Delete a handler's subscription and its parked events, so that it holds back no pruning any more.

    Args:
        handler: Its name.
        place: Where its subscription is.
        force: Also where the handler is in the code: at its next drain it begins anew, at the head.

    Raises:
        DeliveryError: It is in the code, and ``force`` is not set.
    """
    if handler in get_handlers() and not force:
        raise DeliveryError(
            f"{handler!r} is in the code: it would begin anew at the head, and what it has not heard by then it would "
            "never hear. Take it out of the code first, or insist with --force"
        )
    with own_transaction(connections[place.using]):
        shards, _ = _of(Subscription, handler, place).delete()
        parked, _ = _of(ParkedEvent, handler, place).delete()
    logger.info("%s was forgotten: %d shards and %d parked events", handler, shards, parked)
    return Forgotten(shards, parked)


def rename(old: str, new: str, place: Place) -> int:
    """
    Let another name have a handler's subscription and parked events; return how many shards it has.

    For a function that was renamed; best done before the release that has the new name serves.

    Args:
        old: The name so far.
        new: The name from now on.
        place: Where the subscription is.

    Raises:
        DeliveryError: The new name has a subscription of its own already, or is too long.
    """
    if not 0 < len(new) <= HANDLER_LENGTH:
        raise DeliveryError(f"The name {new!r} has {len(new)} characters; 1 to {HANDLER_LENGTH} are wanted")
    with own_transaction(connections[place.using]):
        taken = _of(Subscription, new, place).order_by("slot_from").first()
        if taken is not None:
            raise DeliveryError(
                f"{new!r} has a subscription already, which began at position {taken.start} and is at {taken.cursor}. "
                f"Forget it first ('timestamps_forget {new} --force'): then it goes on where {old!r} is, and hears "
                "again what it has heard. Nothing was changed"
            )
        count = _of(Subscription, old, place).update(handler=new, epoch=F("epoch") + 1)
        _of(ParkedEvent, old, place).update(handler=new)
    logger.info("%s goes by %s now, with %d shards", old, new, count)
    return count


def reshard(handler: str, place: Place, count: int) -> bool:
    """
    Divide a handler's subscription anew; return whether there is one.

    Its shards go on to where the head is now; the drain in which the last one arrives puts the new ones there.

    Args:
        handler: Its name.
        place: Where its subscription is.
        count: Into how many shards, from 1 to 256.

    Raises:
        DeliveryError: ``count`` is out of bounds.
    """
    if not 1 <= count <= SHARDS_AT_MOST:
        raise DeliveryError(f"{count} shards are not possible; a whole number from 1 to {SHARDS_AT_MOST} is wanted")
    found = begin_resharding(handler, place.log_alias, place.using, count)
    if found:
        logger.info("%s is to have %d shards in the log of %r", handler, count, place.log_alias)
    return found


def _of(model: type[Subscription] | type[ParkedEvent], handler: str, place: Place) -> QuerySet[Any, Any]:
    return model._base_manager.using(place.using).filter(handler=handler, log_alias=place.log_alias)
