"""Retrying and skipping parked events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from django.db import connections
from django.db.models import Q, QuerySet

from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.operations.replaying import replay_entity
from django_clean_timestamps.delivery.parking import let_go, queue_up
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.exceptions import DeliveryError

__all__ = ["retry", "retry_from", "skip"]

State = ParkedEvent.State
KEYS_A_STEP: Final = 200

logger = logging.getLogger("django_clean_timestamps.delivery")


def retry(rows: QuerySet[ParkedEvent, ParkedEvent], *, progress: Callable[[int], None] | None = None) -> int:
    """
    Let parked events be tried at once, dead ones with all their attempts again; return how many.

    Of each entity the first is due and the others follow it, in order. What only waits behind another is left out, as
    is what was skipped. Two who retry the same do no harm: it is due, and handled once.

    Args:
        rows: The parked events, of one database.
        progress: Called after each step with how many there were so far.
    """
    using, count = rows.db, 0
    for ids in _in_steps(rows.filter(state__in=[State.RETRY, State.DEAD]).order_by("handler", "entity_key", "id")):
        with own_transaction(connections[using]):
            chosen = list(_locked(using, Q(id__in=ids, state__in=[State.RETRY, State.DEAD])))
            for row in chosen:
                attempts = 0 if row.state == State.DEAD else row.attempts
                _one(using, row).update(state=State.WAITING, attempts=attempts)
            for handler, log_alias, key in {(row.handler, row.log_alias, row.entity_key) for row in chosen}:
                queue_up(using, handler, log_alias, key)
        count += len(chosen)
        if progress is not None:
            progress(count)
    logger.info("%d parked events are retried", count)
    return count


def skip(rows: QuerySet[ParkedEvent, ParkedEvent], *, because: str) -> int:
    """
    Give parked events up for a reason, and let those that wait behind them go on; return how many.

    They are kept, with the reason.

    Args:
        rows: The parked events, of one database.
        because: Why, for those who read it later.

    Raises:
        DeliveryError: There is no reason.
    """
    if not because.strip():
        raise DeliveryError("A parked event is skipped for a reason, and none was given; nothing was changed")
    using, count = rows.db, 0
    for ids in _in_steps(rows.exclude(state=State.SKIPPED).order_by("id")):
        with own_transaction(connections[using]):
            chosen = [row for row in _locked(using, Q(id__in=ids)) if row.state != State.SKIPPED]
            for row in chosen:
                told = f"Skipped, because {because.strip()}" + (f"\n{row.last_error}" if row.last_error else "")
                _one(using, row).update(state=State.SKIPPED, last_error=told)
            for row in chosen:
                let_go(using, row.handler, row.log_alias, row.entity_key)
        count += len(chosen)
        for row in chosen:
            logger.info("%s: event %d was skipped, because %s", row.handler, row.position, because.strip())
    return count


def retry_from(row: ParkedEvent) -> int:
    """
    Hand an entity's events over anew from a parked one on, in order; return how many there are.

    For a dead event whose followers went on without it. Those that the handler heard already it hears as replayed.

    Raises:
        DeliveryError: The handler is not in the code any more, or its subscription is busy.
    """
    place = Place(str(row._state.db), row.log_alias)
    return replay_entity(
        row.handler, place, row.event["entity_type"], row.event["entity_id"], from_position=row.position
    )


def _in_steps(rows: QuerySet[ParkedEvent, ParkedEvent]) -> Iterator[list[int]]:
    """Yield the keys of the rows, as they were at the start, some at a time."""
    ids = list(rows.values_list("id", flat=True))
    for start in range(0, len(ids), KEYS_A_STEP):
        yield ids[start : start + KEYS_A_STEP]


def _locked(using: str, condition: Q) -> Iterable[ParkedEvent]:
    return ParkedEvent.objects.using(using).filter(condition).select_for_update().order_by("position", "id")


def _one(using: str, row: ParkedEvent) -> QuerySet[ParkedEvent, ParkedEvent]:
    return ParkedEvent.objects.using(using).filter(id=row.id)
