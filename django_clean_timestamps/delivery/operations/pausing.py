"""Pausing a handler by hand, and letting it go on."""

from __future__ import annotations

import logging

from django.db.models import QuerySet

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.places import Place

__all__ = ["pause", "resume"]

State = Subscription.State

logger = logging.getLogger("django_clean_timestamps.delivery")


def pause(handler: str, place: Place) -> int:
    """
    Keep a handler's shards from being moved until :func:`resume`; return how many were not paused before.

    A batch that is under way comes to its end. Nothing is lost meanwhile, and nothing that it still needs is pruned.

    Args:
        handler: Its name.
        place: Where its subscription is.
    """
    count = _shards(handler, place).exclude(state=State.PAUSED).update(state=State.PAUSED, resume_at=None)
    logger.info("%s: %d shards of the log of %r were paused", handler, count, place.log_alias)
    return count


def resume(handler: str, place: Place) -> int:
    """
    Let a handler's shards be moved again, those that were paused and those that back off; return how many.

    Args:
        handler: Its name.
        place: Where its subscription is.
    """
    stopped = _shards(handler, place).exclude(state=State.ACTIVE)
    count = stopped.update(state=State.ACTIVE, resume_at=None, failures=0, problem="")
    logger.info("%s: %d shards of the log of %r were resumed", handler, count, place.log_alias)
    return count


def _shards(handler: str, place: Place) -> QuerySet[Subscription, Subscription]:
    return Subscription.objects.using(place.using).filter(handler=handler, log_alias=place.log_alias)
