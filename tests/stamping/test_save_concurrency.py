"""Two transactions that write one row, one of them waiting for the other: ``updated_at`` never goes back."""

import itertools
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from tests.stamping.waiting import is_waiting, session_id
from tests.testapp.models import Crate, Dog, Note, Seat

pytestmark = [pytest.mark.postgres, pytest.mark.mariadb, pytest.mark.django_db(transaction=True)]

TICK = timedelta(microseconds=1)
WRITES = {
    "save": lambda entity: entity.save(),
    "update_fields": lambda entity: entity.save(update_fields=["updated_at"]),
    "force_update": lambda entity: entity.save(force_update=True),
    "touch": lambda entity: entity.touch(),
}
MODELS = [Note, Dog, Crate, Seat]


class Rival(threading.Thread):
    """Writes the same row in a transaction of its own, which waits for the test's."""

    def __init__(self, model, key, write, started):
        super().__init__(daemon=True)
        self.model, self.key, self.write, self.started = model, key, write, started
        self.error = self.entity = self.session = None

    def run(self):
        try:
            with transaction.atomic():
                self.entity = self.model.objects.get(pk=self.key)
                self.session = session_id()
                self.started.set()
                self.write(self.entity)
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            self.error = error
        finally:
            self.started.set()
            connection.close()


@pytest.mark.parametrize("second", WRITES.values(), ids=WRITES)
def test_a_write_that_waited_comes_after_the_one_it_waited_for(clock, second):
    # One test for all, since it takes a second to empty the tables after each.
    for number, (model, first) in enumerate(itertools.product(MODELS, WRITES.values())):
        let_one_wait_for_the_other(clock, model, number, first, second)


def let_one_wait_for_the_other(clock, model, number, first, second):
    entity = model.objects.create(row=1, number=number) if model is Seat else model.objects.create()
    started = threading.Event()
    rival = Rival(model, entity.pk, second, started)
    with transaction.atomic():
        clock.tick(60)
        first(entity)
        # The rival reads an earlier clock, as if it had stamped before it waited.
        clock.tick(-60)
        rival.start()
        assert started.wait(10)
        deadline = time.monotonic() + 10
        while not is_waiting(rival.session):
            assert rival.is_alive(), rival.error
            assert time.monotonic() < deadline
            time.sleep(0.01)
    rival.join(10)
    assert rival.error is None
    stored = model.objects.get(pk=entity.pk)
    assert stored.updated_at == entity.updated_at + TICK == rival.entity.updated_at


def test_a_crowd_of_writers_leaves_each_stamp_once():
    note = Note.objects.create()
    stamps, errors = [], []

    def write(number):
        try:
            for turn in range(10):
                own = Note.objects.get(pk=note.pk)
                (own.save, own.touch)[(turn + number) % 2]()
                stamps.append(own.updated_at)
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(set(stamps)) == 40
    assert Note.objects.get().updated_at == max(stamps)
