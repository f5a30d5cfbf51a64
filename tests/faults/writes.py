"""
Every way of writing a counter, each with the event's number as its reason.

Each returns the entities and numbers that are committed once it returns.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from django_clean_timestamps.context import timestamp_context
from tests.faults.app.models import Counter

__all__ = ["Writer", "prepare"]

Written = list[tuple[str, int]]
FLOCKS = (1, 2)


class RolledBack(Exception):  # noqa: N818 - not an error here
    """Raised to roll back."""


def prepare(counters: int = 4, flock_size: int = 3) -> None:
    """Make the counters that writers share: some alone, and two flocks that are always written together."""
    with timestamp_context(reason="1"):
        for _ in range(counters):
            Counter.objects.create(name=new_name())
        for flock in FLOCKS:
            Counter.objects.bulk_create([Counter(name=new_name(), flock=flock) for _ in range(flock_size)])


def new_name() -> str:
    return uuid.uuid4().hex


def reason(number: int) -> Any:
    return timestamp_context(reason=str(number))


class Writer:
    """
    Writes counters in ways that a random generator chooses.

    Shared counters are locked first. On SQLite a transaction has the one write lock from its start.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.own: Counter | None = None
        self.shared = list(Counter.objects.filter(flock=0).order_by("pk").values_list("pk", flat=True)[:4])

    def any_shared(self) -> Counter:
        """Return a shared counter that nobody else writes, in stories with one process."""
        return Counter.objects.get(pk=self.shared[0])

    def write(self) -> Written:
        """Write in one of the ways."""
        return self.chance.choice(self.ways)()

    @property
    def ways(self) -> list[Callable[[], Written]]:
        return [
            self.save_alone,
            self.save_alone,
            self.save_locked,
            self.save_some_fields,
            self.save_several,
            self.save_beside_savepoints,
            self.roll_back,
            self.update_flock,
            self.update_flock_in_bulk,
            self.upsert_flock,
            self.save_and_update_flock,
            self.create_in_bulk,
            self.delete_one,
            self.delete_set,
        ]

    def save_alone(self) -> Written:
        """Save a counter of this process's own, outside any transaction."""
        # Forgotten first: what became of a save that failed is not known.
        own, self.own = self.own or Counter(name=new_name(), flock=-1, number=0), None
        own.number += 1
        with reason(own.number):
            own.save()
        self.own = own
        return [(str(own.pk), own.number)]

    def save_locked(self) -> Written:
        with transaction.atomic():
            [counter] = self._lock(self.chance.sample(self.shared, 1))
            return self._save([counter])

    def save_some_fields(self) -> Written:
        with transaction.atomic():
            [counter] = self._lock(self.chance.sample(self.shared, 1))
            counter.number += 1
            with reason(counter.number):
                counter.save(update_fields=["number"])
            return [(str(counter.pk), counter.number)]

    def save_several(self) -> Written:
        """Save counters in one transaction, the first of them twice."""
        with transaction.atomic():
            counters = self._lock(self.chance.sample(self.shared, self.chance.randint(2, len(self.shared))))
            self._save(counters)
            return [*self._save(counters[:1]), *((str(counter.pk), counter.number) for counter in counters[1:])]

    def save_beside_savepoints(self) -> Written:
        """Save beside and under savepoints, one of which is rolled back."""
        with transaction.atomic():
            first, second = self._lock(self.chance.sample(self.shared, 2))
            self._save([first])
            try:
                with transaction.atomic():
                    self._save([first, second])
                    raise RolledBack
            except RolledBack:
                # The instances still hold what was rolled back.
                first, second = self._lock(sorted([first.pk, second.pk]))
            with transaction.atomic():
                self._save([second])
            return [*self._save([first]), (str(second.pk), second.number)]

    def roll_back(self) -> Written:
        try:
            with transaction.atomic():
                self._save(self._lock(self.chance.sample(self.shared, 2)))
                self._update_flock(self._lock_flock())
                raise RolledBack
        except RolledBack:
            return []

    def update_flock(self) -> Written:
        with transaction.atomic():
            return self._update_flock(self._lock_flock())

    def update_flock_in_bulk(self) -> Written:
        with transaction.atomic():
            flock = self._lock_flock()
            for counter in flock:
                counter.number += 1
            with reason(flock[0].number):
                Counter.objects.bulk_update(flock, ["number"])
            return [(str(counter.pk), counter.number) for counter in flock]

    def upsert_flock(self) -> Written:
        with transaction.atomic():
            flock = self._lock_flock()
            number = flock[0].number + 1
            rows = [Counter(name=counter.name, flock=counter.flock, number=number) for counter in flock]
            target = ["name"] if connection.features.supports_update_conflicts_with_target else None
            with reason(number):
                Counter.objects.bulk_create(rows, update_conflicts=True, unique_fields=target, update_fields=["number"])
            return [(str(counter.pk), number) for counter in flock]

    def save_and_update_flock(self) -> Written:
        """Save one of a flock's counters by itself between two updates of all."""
        with transaction.atomic():
            flock = self._lock_flock()
            self._update_flock(flock)
            # Read anew: an instance that is older than its row tells of the stamp that it was read with.
            self._save(self._lock([counter.pk for counter in flock]))
            for counter in flock:
                counter.number += 1
            return self._update_flock(flock)

    def create_in_bulk(self) -> Written:
        return self.create_many(3)

    def create_many(self, count: int) -> Written:
        return [(str(counter.pk), 1) for counter in self._create(count)]

    def delete_one(self) -> Written:
        [counter] = self._create(1)
        key = str(counter.pk)
        with reason(2):
            counter.delete()
        return [(key, 2)]

    def delete_set(self) -> Written:
        keys = [counter.pk for counter in self._create(2)]
        with reason(2):
            Counter.objects.filter(pk__in=keys).delete()
        return [(str(key), 2) for key in keys]

    def _create(self, count: int) -> list[Counter]:
        names = [new_name() for _ in range(count)]
        with reason(1):
            Counter.objects.bulk_create([Counter(name=name, flock=-1) for name in names])
        return list(Counter.objects.filter(name__in=names))

    def _lock(self, keys: list[int]) -> list[Counter]:
        return list(Counter.objects.select_for_update().filter(pk__in=keys).order_by("pk"))

    def _lock_flock(self) -> list[Counter]:
        flock = self.chance.choice(FLOCKS)
        return list(Counter.objects.select_for_update().filter(flock=flock).order_by("pk"))

    def _save(self, counters: list[Counter]) -> Written:
        for counter in counters:
            counter.number += 1
            with reason(counter.number):
                counter.save()
        return [(str(counter.pk), counter.number) for counter in counters]

    def _update_flock(self, flock: list[Counter]) -> Written:
        for counter in flock:
            counter.number += 1
        with reason(flock[0].number):
            Counter.objects.filter(flock=flock[0].flock).update(number=F("number") + 1)
        return [(str(counter.pk), counter.number) for counter in flock]
