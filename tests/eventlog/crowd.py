"""
A crowd of writers on the same entities, sequencers that compete, and readers that poll all the while.

Every write of a note adds one to its amount, so the rows tell how many events the log must hold, whatever the writers
were told. Beside it each transaction inserts a row into a plain table with an automatic key and ``auto_now``, which two
naive readers poll.
"""

import random
import threading
import time
from collections import Counter
from itertools import pairwise

from django.db import OperationalError, connection, transaction
from django.db.models import F

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.unit_of_work import write_pending
from tests.eventlog.rivals import set_level
from tests.testapp.models import Legacy, Note

ENTITIES = 60
ROLLED_BACK, HELD, HELD_SECONDS = 0.10, 0.05, 1.5
POLL_SECONDS = 0.01


class TakenBack(Exception):  # noqa: N818 - no error
    """Rolls a writer's transaction back."""


class Crowd:
    """
    The threads and what they saw.

    Attributes:
        counts: How many transactions were committed, rolled back, held, and in conflict.
        gone: The amounts of deleted notes.
        events: What the feed's reader was given, in order.
        seen: The keys of the plain rows that each naive reader was given.
    """

    def __init__(self, *, seconds, writers=12, sequencers=2, level=None):
        self.seconds, self.writers, self.sequencers, self.level = seconds, writers, sequencers, level
        self.lock = threading.Lock()
        self.counts = Counter()
        self.gone = {}
        self.events = []
        self.seen = {"id": set(), "updated_at": set()}
        self.errors = []
        self.cursor = None
        self.writing_ends = threading.Event()

    def run(self):
        notes = Note.objects.bulk_create([Note(amount=1) for _ in range(ENTITIES)])
        self.live = {note.pk for note in notes}
        self.deadline = time.monotonic() + self.seconds
        writers = [self._thread(self._write, seed) for seed in range(self.writers)]
        others = [self._thread(self._sequence) for _ in range(self.sequencers)]
        others += [self._thread(self._read), self._thread(self._poll, "id"), self._thread(self._poll, "updated_at")]
        for thread in writers:
            thread.join()
        self.writing_ends.set()
        for thread in others:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _thread(self, work, *args):
        def run():
            try:
                if self.level is not None:
                    set_level(self.level)
                work(*args)
            except BaseException as error:  # noqa: BLE001 - raised again by the test's thread
                self.errors.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    # Writers.

    def _write(self, seed):
        chance = random.Random(seed)
        number = 0
        while time.monotonic() < self.deadline and not self.errors:
            number += 1
            created, gone = set(), {}
            outcome = "committed"
            try:
                with timestamp_context(reason=f"{seed}-{number}"), transaction.atomic():
                    Legacy.objects.create()
                    for _ in range(chance.randint(1, 2)):
                        self._write_once(chance, created, gone)
                    self._end(chance)
            except TakenBack:
                outcome = "rolled back"
            except OperationalError:
                # A deadlock, or a serialization failure: to be tried again, and the next is as good.
                outcome = "in conflict"
            with self.lock:
                self.counts[outcome] += 1
                if outcome == "committed":
                    self.live = (self.live | created) - gone.keys()
                    self.gone |= gone

    def _end(self, chance):
        if chance.random() < HELD:
            # The events are there already and become visible late.
            write_pending(connection)
            with self.lock:
                self.counts["held"] += 1
            time.sleep(chance.uniform(0, HELD_SECONDS))
        if chance.random() < ROLLED_BACK:
            raise TakenBack

    def _write_once(self, chance, created, gone):
        with self.lock:
            known = sorted(self.live)
        keys = sorted(chance.sample(known, min(len(known), chance.randint(1, 3))))
        writes = [self._save, self._save, self._update, self._update, self._bulk_update, self._bulk_create]
        if len(known) > ENTITIES:
            writes += [self._delete, self._delete_many]
        chance.choice(writes)(keys, created, gone)

    def _save(self, keys, created, gone):
        for note in Note.objects.select_for_update().filter(pk=keys[0]):
            note.amount += 1
            note.save()

    def _update(self, keys, created, gone):
        Note.objects.filter(pk__in=keys).update(amount=F("amount") + 1)

    def _bulk_update(self, keys, created, gone):
        notes = list(Note.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
        for note in notes:
            note.amount += 1
        Note.objects.bulk_update(notes, ["amount"])

    def _bulk_create(self, keys, created, gone):
        created |= {note.pk for note in Note.objects.bulk_create([Note(amount=1) for _ in keys])}

    def _delete(self, keys, created, gone):
        for note in Note.objects.select_for_update().filter(pk=keys[0]):
            gone[note.pk] = note.amount
            note.delete()

    def _delete_many(self, keys, created, gone):
        gone |= dict(Note.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk", "amount"))
        Note.objects.filter(pk__in=keys).delete()

    # Sequencers and readers.

    def _until_quiet(self, poll):
        """Poll until the writers have ended, and once more."""
        while not self.writing_ends.wait(POLL_SECONDS) and not self.errors:
            poll()
        poll()

    def _sequence(self):
        self._until_quiet(sequence)

    def _read(self):
        def poll():
            while True:
                page = changed_since(self.cursor, limit=100)
                self.events += page.changes
                self.cursor = page.cursor
                if not page.has_more:
                    return

        self._until_quiet(poll)

    def _poll(self, column):
        last = {}

        def poll():
            rows = Legacy.objects.filter(**{f"{column}__gt": last["value"]} if last else {})
            for key, value in rows.order_by(column).values_list("pk", column):
                self.seen[column].add(key)
                last["value"] = value

        self._until_quiet(poll)

    # What came of it.

    def lost_by_naive_readers(self):
        """Return how many of the committed plain rows each naive reader never saw, and how many rows there are."""
        there = set(Legacy.objects.values_list("pk", flat=True))
        return {column: len(there - seen) for column, seen in self.seen.items()}, len(there)

    def check(self):
        """Hold the log, and what the reader was given, against the rows."""
        assert not Pending.objects.exists()
        log = list(Event.objects.order_by("position").values_list("position", "event_id"))
        assert [(event.position, event.event_id) for event in self.events] == log
        assert [position for position, _ in log] == list(range(1, len(log) + 1))
        assert LogHead.objects.get().position == len(log)
        assert len({event_id for _, event_id in log}) == len(log)
        stories = {}
        for event in self.events:
            stories.setdefault(int(event.entity_id), []).append(event)
        rows = {key: rest for key, *rest in Note.objects.values_list("pk", "amount", "updated_at")}
        assert stories.keys() == rows.keys() | self.gone.keys()
        assert not rows.keys() & self.gone.keys()
        for key, (amount, updated_at) in rows.items():
            check_story(stories[key], amount)
            assert stories[key][-1].occurred_at == updated_at
        for key, amount in self.gone.items():
            *story, end = stories[key]
            assert end.event_type == "timestamp_deleted"
            check_story(story, amount)


def check_story(story, amount):
    """Hold the creation and the updates of one note against each other and its amount."""
    kinds = [event.event_type for event in story]
    assert kinds == ["timestamp_created"] + ["timestamp_updated"] * (amount - 1)
    for earlier, later in pairwise(story):
        assert later.old_timestamp == earlier.occurred_at < later.occurred_at
