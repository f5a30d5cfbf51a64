"""
The last domain events that this process has seen committed.

A small in-process receiver of the package's signals, for the pages to show what each write said:
the list is lost with the process, and another process has a list of its own.
"""

from collections import deque
from typing import Any

from django.db import models, transaction

from django_clean_timestamps.signals import (
    timestamp_created,
    timestamp_deleted,
    timestamp_updated,
)

KEPT_COUNT = 200

_recent: deque[Any] = deque(maxlen=KEPT_COUNT)


def listen_to(model: type[models.Model]) -> None:
    """Keep the events of ``model`` from now on."""
    for signal in (timestamp_created, timestamp_updated, timestamp_deleted):
        signal.connect(_keep, sender=model, dispatch_uid=f"tracker.recent_events.{model._meta.label}")


def recent_events(*entities: models.Model, limit: int = 10) -> list[Any]:
    """
    Return the newest events first, at most ``limit`` of them.

    Args:
        entities: Whose events to return; everybody's where none is given.
        limit: How many at most.
    """
    wanted = {(entity._meta.label_lower, str(entity.pk)) for entity in entities}
    found = [
        event for event in reversed(_recent) if not wanted or (event.entity_type.lower(), event.entity_id) in wanted
    ]
    return found[:limit]


def forget_recent_events() -> None:
    """Empty the list."""
    _recent.clear()


def _keep(event: Any, instance: models.Model | None, **kwargs: Any) -> None:
    # The signal is sent inside the transaction, which may yet be rolled back.
    using = instance._state.db if instance is not None else None
    transaction.on_commit(lambda: _recent.append(event), using=using)
