"""Counts of the domain events that a replay brings about, heard through the signals."""

from collections import Counter
from types import TracebackType
from typing import Any, Self

from django.db import models

from django_clean_timestamps.signals import (
    timestamp_created,
    timestamp_deleted,
    timestamp_updated,
)

_SIGNALS = (timestamp_created, timestamp_updated, timestamp_deleted)


class EventTally:
    """
    Counts the events of some models while it is open; keeps no event.

    A signal is sent inside the transaction: what is rolled back later was counted.

    Args:
        models: Whose events to count.
    """

    def __init__(self, *models: type[models.Model]) -> None:
        self.models = models
        self.by_type: Counter[tuple[str, str]] = Counter()
        self.by_entity: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Self:
        for signal in _SIGNALS:
            for model in self.models:
                signal.connect(self._count, sender=model)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for signal in _SIGNALS:
            for model in self.models:
                signal.disconnect(self._count, sender=model)

    def _count(self, event: Any, **kwargs: Any) -> None:
        self.by_type[event.entity_type, event.event_type] += 1
        self.by_entity[event.entity_type, event.entity_id] += 1
