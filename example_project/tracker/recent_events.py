"""
The newest domain events of some entities, read from the event log.

Both tables of the log are read: an event waits in ``Pending`` from COMMIT until it has a position, and a page that is
shown right after a write should not depend on somebody having given it one.
"""

from collections import defaultdict

from django.db import models
from django.db.models import Q

from django_clean_timestamps.eventlog.models import Event, Pending


def recent_events(*entities: models.Model, limit: int = 10) -> list[Event | Pending]:
    """
    Return the rows of the newest events, the newest first; none where no entity is given.

    Needs two queries, each over the log's index by entity, so it is as quick in a log of millions.

    Args:
        entities: Whose events to return.
        limit: How many at most.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for entity in entities:
        keys[entity._meta.label_lower].append(str(entity.pk))
    if not keys:
        return []
    wanted = Q()
    for entity_type, entity_ids in keys.items():
        wanted |= Q(entity_type=entity_type, entity_id__in=entity_ids)
    # In this order: what gets its position between the two reads is found twice. In the other it would be missed.
    waiting = list(Pending.objects.filter(wanted).order_by("-id")[:limit])
    found_ids = {row.event_id for row in waiting}
    placed = Event.objects.filter(wanted).order_by("-position")[:limit]
    return [*waiting, *(row for row in placed if row.event_id not in found_ids)][:limit]
