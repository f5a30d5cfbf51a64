"""The one handler of a process, as its environment names it; none unless it does."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.models import Effect, Entity
from benchmarks.project import moments
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.events import TimestampCreatedEvent

HANDLER, SHARDS = "BENCHMARK_HANDLER", "BENCHMARK_SHARDS"
NAME = "bench.rows"
SINGLE, BATCH, EVERYTHING = "single", "batch", "everything"


def handle(event: Any) -> None:
    moments.effect(event.entity_id)


def handle_batch(events: Sequence[Any]) -> None:
    moments.effects(event.entity_id for event in events)


def handle_everything(events: Sequence[Any]) -> None:
    Effect.objects.bulk_create([Effect(entity_id=event.entity_id) for event in events])


FUNCTIONS: Mapping[str, Callable[[Any], None]] = {
    SINGLE: handle,
    BATCH: handle_batch,
    EVERYTHING: handle_everything,
}

if chosen := os.environ.get(HANDLER):
    # What the database itself fills in is of other kinds and models.
    kinds, sender = ((), None) if chosen == EVERYTHING else ((TimestampCreatedEvent,), Entity)
    on_timestamp(*kinds, sender=sender, name=NAME, batch=chosen != SINGLE, shards=int(os.environ.get(SHARDS, "1")))(
        FUNCTIONS[chosen]
    )
