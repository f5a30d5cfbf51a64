"""Writing, sequencing and reading, in good order."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from django.db import transaction

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.delivery.doorbell import ringing, thread
from django_clean_timestamps.eventlog import changed_since, sequencer
from tests.faults import writes
from tests.faults.app.models import Counter
from tests.faults.stories import say, story, writer_of


@story
def prepare(**sizes: int) -> None:
    writes.prepare(**sizes)


@story
def write(count: int, seed: int = 0) -> int:
    """Write in all ways, in turn."""
    writer = writer_of(seed)
    for number in range(count):
        writer.ways[number % len(writer.ways)]()
    ring_to_the_end()
    return count


def ring_to_the_end() -> None:
    """Do what atexit does, which a process of the nursery ends without; for a machine that is busier than any second."""
    doorbell = ringing._thread
    if doorbell is not None:
        thread.FLUSH_SECONDS = 30.0  # type: ignore[misc]
        doorbell.close()


@story
def sequence(passes: int = 1) -> int:
    return sum(sequencer.sequence() for _ in range(passes))


@story
def feed(cursor: str | None = None, limit: int = 500) -> dict[str, Any]:
    """Read the feed to its end, and return the ids of the events in order."""
    ids: list[str] = []
    while True:
        page = changed_since(cursor, limit=limit)
        ids += [event.event_id.hex for event in page.changes]
        cursor = page.cursor
        if not page.has_more:
            return {"ids": ids, "cursor": cursor}


@story
def count_up(key: int, times: int) -> int:
    """Save one counter again and again in one transaction, and return its number."""
    with transaction.atomic():
        counter = Counter.objects.select_for_update().get(pk=key)
        for _ in range(times):
            counter.number += 1
            with timestamp_context(reason=str(counter.number)):
                counter.save()
    return counter.number


@story
def create(count: int) -> int:
    """Make that many counters, some thousand at a time."""
    for start in range(0, count, 5_000):
        writer_of().create_many(min(5_000, count - start))
    return count


@story
def roll_back_savepoints(key: int) -> int:
    """Count up in, between and behind savepoints of which every other one is rolled back, and return the number."""

    def save() -> None:
        counter = Counter.objects.get(pk=key)
        counter.number += 1
        with timestamp_context(reason=str(counter.number)):
            counter.save()

    def nest(depth: int) -> None:
        save()
        for rolls_back in (True, False):
            with suppress(writes.RolledBack), transaction.atomic():
                save()
                if depth:
                    nest(depth - 1)
                if rolls_back:
                    raise writes.RolledBack
        save()

    with transaction.atomic():
        nest(3)
    return Counter.objects.get(pk=key).number


@story
def commit_late(key: int, seconds: float) -> None:
    """Count up once at the beginning and once at the end of a transaction that takes its time; say "open" meanwhile."""
    with transaction.atomic():
        count_up(key, 1)
        say("open")
        time.sleep(seconds)
        count_up(key, 1)
