"""Set-based writes of transactions that meet on the same rows, one of them waiting for the other."""

import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import get_unit
from tests.stamping.audience import named
from tests.stamping.waiting import is_waiting, session_id
from tests.testapp.models import Attachment, Comment, Dog, Membership, Note, Project, Puppy, Tag, Task

pytestmark = [pytest.mark.postgres, pytest.mark.mariadb, pytest.mark.django_db(transaction=True)]

TICK = timedelta(microseconds=1)
OTHER = 1_000_000


class Rival(threading.Thread):
    """Runs a function in a transaction of its own, and keeps what it raised and recorded."""

    def __init__(self, work, *, captures=False):
        super().__init__(daemon=True)
        self.work, self.captures = work, captures
        self.session = self.error = None
        self.events = []

    def run(self):
        try:
            with transaction.atomic():
                self.session = session_id()
            if self.captures:
                with capture_events() as events, transaction.atomic():
                    self.work()
                self.events = events
            else:
                with transaction.atomic():
                    self.work()
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            self.error = error
        finally:
            connection.close()

    def start_and_wait_for_a_lock(self):
        self.start()
        deadline = time.monotonic() + 20
        while self.session is None or not is_waiting(self.session):
            assert self.is_alive(), self.error
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def finish(self):
        self.join(20)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


def upsert(entity):
    target = connection.features.supports_update_conflicts_with_target
    Tag.objects.bulk_create(
        [Tag(name=entity.name)],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["name"] if target else None,
    )


WRITES = {
    "update": lambda entity: type(entity).objects.filter(pk=entity.pk).update(name="x"),
    "touch": lambda entity: type(entity).objects.filter(pk=entity.pk).touch(),
    "bulk_update": lambda entity: type(entity).objects.bulk_update([entity], ["name"]),
    "bulk_update of the stamp": lambda entity: type(entity).objects.bulk_update([entity], ["name", "updated_at"]),
    "touched parent": lambda entity: Task.objects.bulk_create([Task(project=entity)]),
    "two touched parents": lambda entity: Task.objects.bulk_create([Task(project=entity), Task(project_id=OTHER)]),
    "upsert": upsert,
}


@pytest.mark.parametrize("captures", [False, True], ids=["nobody", "captured"])
@pytest.mark.parametrize("write", WRITES)
def test_a_row_is_never_put_back_by_a_write_that_waited(clock, write, captures):
    model = Tag if write == "upsert" else Project
    Project.objects.create(pk=OTHER)
    for other in (Dog,) if write in {"update", "touch", "bulk_update"} else ():
        let_one_wait(clock, other.objects.create(name="a"), WRITES[write], captures=captures)
    let_one_wait(clock, model.objects.create(name="a"), WRITES[write], captures=captures)


def let_one_wait(clock, entity, write, *, captures):
    rows = type(entity).objects.filter(pk=entity.pk)
    rival = Rival(lambda: write(rows.get()), captures=captures)
    with transaction.atomic():
        clock.tick(60)
        rows.update(name="a")
        first = rows.get().updated_at
        # The rival reads an earlier clock, as if it had stamped before it waited.
        clock.tick(-60)
        rival.start_and_wait_for_a_lock()
    rival.finish()
    assert rows.get().updated_at == first + TICK
    mine = [event for event in rival.events if event.entity_type == entity._meta.label_lower]
    if captures:
        event = next(event for event in mine if event.entity_id == str(entity.pk))
        assert event.new_timestamp == first + TICK
        assert event.old_timestamp in {first, None}


# Beside a transaction that changes what is selected.


@pytest.mark.parametrize("kind", ["plain", "joined", "several tables", "distinct"])
def test_an_update_raises_one_event_for_each_row_that_it_changed(clock, kind):
    rows, taken, update = {
        "plain": plain_rows,
        "joined": joined_rows,
        "several tables": rows_of_several_tables,
        "distinct": distinct_rows,
    }[kind]()
    rival = Rival(update, captures=True)
    clock.tick(60)
    with transaction.atomic():
        # Some rows no longer match; others match as before, with another stamp.
        taken()
        rows.touch()
        clock.tick(1)
        rival.start_and_wait_for_a_lock()
    rival.finish()
    changed = {str(row.pk): row.updated_at for row in rows.filter(updated_at=clock.now)}
    assert 0 < len(changed) < rows.count()
    assert {event.entity_id: event.new_timestamp for event in rival.events} == changed
    assert len(rival.events) == len(changed)
    assert {event.old_timestamp for event in rival.events} == {clock.now - timedelta(seconds=1)}


def plain_rows():
    Note.objects.bulk_create([Note(title="open") for _ in range(20)])
    return (
        Note.objects.all(),
        lambda: Note.objects.filter(pk__in=keys_of(Note, 7)).update(title="closed"),
        lambda: Note.objects.filter(title="open").update(title="done"),
    )


def joined_rows():
    project, other = Project.objects.create(name="p"), Project.objects.create(name="q")
    Attachment.objects.bulk_create([Attachment(project=project) for _ in range(20)])
    return (
        Attachment.objects.all(),
        lambda: Attachment.objects.filter(pk__in=keys_of(Attachment, 7)).update(project=other),
        lambda: Attachment.objects.filter(project__name="p").update(project=None),
    )


def distinct_rows():
    _, *rest = joined_rows()
    return (
        Attachment.objects.all(),
        rest[0],
        lambda: Attachment.objects.filter(project__name="p").distinct().update(project=None),
    )


def rows_of_several_tables():
    for _ in range(10):
        Puppy.objects.create(name="open", weeks=1)
    return (
        Puppy.objects.all(),
        lambda: Puppy.objects.filter(pk__in=keys_of(Puppy, 4)).update(name="closed"),
        lambda: Puppy.objects.filter(name="open", weeks=1).update(weeks=2),
    )


def keys_of(model, count):
    return list(model.objects.order_by("pk").values_list("pk", flat=True)[:count])


@pytest.mark.parametrize("model", [Note, Task, Puppy], ids=["fast", "slow", "several tables"])
def test_two_deletes_of_the_same_rows_raise_one_event_for_each_row(clock, model):
    for _ in range(5):
        model.objects.create()
    rival = Rival(lambda: model.objects.all().delete(), captures=True)
    gone = model.objects.order_by("pk")[:2]
    with capture_events() as events, transaction.atomic():
        model.objects.filter(pk__in=[row.pk for row in gone]).delete()
        rival.start_and_wait_for_a_lock()
    rival.finish()
    assert not model.objects.exists()
    names = [named(event) for event in (*events, *rival.events)]
    assert len(names) == len(set(names)) == 5


def test_an_ignored_row_of_a_rival_raises_no_event(clock):
    rival = Rival(lambda: Tag.objects.bulk_create([Tag(name="a"), Tag(name="b")], ignore_conflicts=True), captures=True)
    with transaction.atomic():
        Tag.objects.create(name="a")
        rival.start_and_wait_for_a_lock()
    rival.finish()
    assert [named(event) for event in rival.events] == [f"created tag {Tag.objects.get(name='b').pk}"]


# Touched parents.


def slowly(execute, sql, params, many, context):
    """Let the other transaction take its first lock before this one takes its second."""
    result = execute(sql, params, many, context)
    if sql.startswith("UPDATE") and ("testapp_project" in sql or "testapp_task" in sql):
        time.sleep(0.1)
    return result


@pytest.mark.parametrize("captures", [False, True], ids=["nobody", "captured"])
def test_two_transactions_that_touch_the_same_parents_do_not_deadlock(clock, captures):
    # Children that are there already: InnoDB locks the parent of a new one for reading, whatever is touched later.
    # One by one: it also locks rows that it only looks at.
    projects = [Project.objects.create() for _ in range(3)]
    task = Task.objects.create()
    members = {user: [Membership.objects.create(project=project, user=user) for project in projects] for user in "ab"}
    comments = {user: Comment.objects.create(task=task) for user in "ab"}
    barrier = threading.Barrier(2, timeout=20)
    earlier = clock.now - timedelta(seconds=1)

    def forwards():
        comments["a"].touch()
        members["a"][0].touch()
        commit()

    def backwards():
        members["b"][0].touch()
        comments["b"].touch()
        commit()

    def forwards_in_parts():
        # Each moment is an UPDATE of its own: the first and the third row, then the second.
        touch_at(earlier, "a", 0, 2)
        touch_at(clock.now, "a", 1)
        commit()

    def backwards_in_parts():
        touch_at(earlier, "b", 1)
        touch_at(clock.now, "b", 2)
        commit()

    def touch_at(moment, user, *numbers):
        for number in numbers:
            with stamped_at(moment):
                members[user][number].touch(at=clock.now)

    def commit():
        with connection.execute_wrapper(slowly):
            barrier.wait()
            get_unit(connection).finish()

    for _ in range(3):
        for works in ((forwards, backwards), (forwards_in_parts, backwards_in_parts)):
            rivals = [Rival(work, captures=captures) for work in works]
            for rival in rivals:
                rival.start()
            for rival in rivals:
                rival.finish()


NEW_CHILDREN = {
    "save": lambda project: Task.objects.create(project=project),
    "bulk_create": lambda project: Task.objects.bulk_create([Task(project=project), Task(project=project)]),
    "update": lambda project: Task.objects.filter(pk=Task.objects.create().pk).update(project=project),
    "bulk_update": lambda project: Task.objects.bulk_update(
        [Task(pk=Task.objects.create().pk, project=project)], ["project"]
    ),
}


@pytest.mark.parametrize("write", NEW_CHILDREN)
def test_two_transactions_that_give_a_parent_new_children_do_not_deadlock(write):
    # InnoDB locks the parent for reading with each new child; two such locks on a row that both will touch are fatal.
    project = Project.objects.create()
    both_wrote, errors = threading.Barrier(2, timeout=2), []

    def work():
        try:
            with transaction.atomic():
                NEW_CHILDREN[write](project)
                with suppress(threading.BrokenBarrierError):
                    # One waits for the other where the parent is locked: then there is nothing to meet for.
                    both_wrote.wait()
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert Task.objects.filter(project=project).count() == (4 if write == "bulk_create" else 2)
