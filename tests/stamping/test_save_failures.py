"""After a write that failed the instance is as before: its key, its state, its stamps."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, models, transaction

from django_clean_timestamps.signals import timestamp_created, timestamp_updated
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Chained, Comment, Currency, Dog, Note, Project, Puppy, Seat, Task, Token

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def look(entity):
    kept = ("id", "code", "row", "number", "animal_ptr_id", "dog_ptr_id", "created_at", "updated_at")
    state = {name: entity.__dict__[name] for name in kept if name in entity.__dict__}
    loaded = {
        name: entity.__dict__.get(name) for name in ("_loaded_created_at", "_loaded_updated_at", "_loaded_parents")
    }
    return state, loaded, entity.pk, entity._state.adding, entity._state.db


class Refusal(RuntimeError):  # noqa: N818
    pass


def refuse(**_):
    raise Refusal


@pytest.fixture
def connected():
    """Connect a receiver for the test."""
    receivers = []

    def connect(signal, receiver=refuse, **kwargs):
        signal.connect(receiver, **kwargs)
        receivers.append((signal, receiver, kwargs.get("sender")))

    yield connect
    for signal, receiver, sender in receivers:
        signal.disconnect(receiver, sender=sender)


SIGNALS = {
    "pre_save": (models.signals.pre_save, models.signals.pre_save),
    "post_save": (models.signals.post_save, models.signals.post_save),
    "ours": (timestamp_created, timestamp_updated),
}
SHAPES = {
    "plain": Note,
    "UUID": Token,
    "child": Dog,
    "grandchild": Puppy,
    "touching": Task,
    "natural key": lambda: Currency(code="EUR"),
    "composite": lambda: Seat(row=1, number=2),
}


@pytest.mark.parametrize("signals", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_an_insert_that_a_receiver_undoes_leaves_the_instance_as_it_was(connected, signals, make, clock):
    entity = make()
    before = look(entity)
    connected(signals[0], sender=type(entity))
    with capture_events() as events, pytest.raises(Refusal), transaction.atomic():
        entity.save()
    assert look(entity) == before
    assert events == []
    assert entity.get_domain_events() == []
    assert not type(entity).objects.exists()


@pytest.mark.parametrize("signals", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_an_update_that_a_receiver_undoes_leaves_the_instance_as_it_was(connected, signals, make, clock):
    entity = make()
    entity.save()
    before = look(entity)
    connected(signals[1], sender=type(entity))
    clock.tick()
    with pytest.raises(Refusal), transaction.atomic():
        entity.save()
    assert look(entity) == before
    assert type(entity).objects.get().updated_at == entity.updated_at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("signals", SIGNALS.values(), ids=SIGNALS)
def test_a_receiver_undoes_a_write_that_stands_alone(connected, signals, clock):
    note = Note()
    before = look(note)
    connected(signals[0], sender=Note)
    with capture_events() as events, pytest.raises(Refusal):
        note.save()
    assert look(note) == before
    assert (events, Note.objects.count()) == ([], 0)


def test_what_the_database_refuses_leaves_the_instance_as_it_was(clock):
    chained = Chained.objects.create(label="a")
    before = look(chained)
    chained.label = "refused"
    clock.tick()
    with pytest.raises(IntegrityError), transaction.atomic():
        chained.save()
    assert look(chained) == before
    chained.label = "b"
    chained.save()
    assert Chained.objects.get().updated_at == clock.now


def test_given_stamps_are_still_given_after_a_failure(clock):
    chained = Chained.objects.create(label="a")
    clock.tick(60)
    chained.label, chained.updated_at = "refused", clock.now - SECOND
    with pytest.raises(IntegrityError), transaction.atomic():
        chained.save()
    chained.label = "b"
    chained.save()
    assert Chained.objects.get().updated_at == clock.now - SECOND


@pytest.mark.postgres
@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_commit_that_fails_leaves_the_instance_as_it_was(clock):
    task = Task(project_id=4711)
    before = look(task)
    with capture_events() as events, pytest.raises(IntegrityError):
        task.save()
    assert look(task) == before
    assert (events, task.get_domain_events(), Task.objects.count()) == ([], [], 0)


@pytest.mark.postgres
@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_an_update_whose_commit_fails_leaves_the_instance_as_it_was(clock):
    task = Task.objects.create(project=Project.objects.create())
    before = look(task)
    task.project_id = 4711
    clock.tick()
    with pytest.raises(IntegrityError):
        task.save()
    assert look(task) == before


@pytest.mark.mariadb
@pytest.mark.django_db(transaction=True)
def test_a_foreign_key_that_mariadb_refuses_leaves_the_instance_as_it_was(clock):
    task = Task(project_id=4711)
    before = look(task)
    with pytest.raises(IntegrityError):
        task.save()
    assert look(task) == before


@pytest.mark.django_db(transaction=True)
def test_a_later_rollback_of_the_callers_transaction_leaves_the_instance_alone_as_in_django(clock):
    note = Note()
    with transaction.atomic():
        note.save()
        transaction.set_rollback(True)
    assert note.pk is not None
    assert note.updated_at == clock.now
    assert note.get_domain_events() == []


def test_a_read_of_old_parents_that_fails_leaves_the_instance_as_it_was(clock):
    comment = Comment.objects.only("text").get(pk=Comment.objects.create().pk)
    before = look(comment)

    def fail(execute, sql, params, many, context):
        if sql.startswith("SELECT"):
            raise IntegrityError("no")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), pytest.raises(IntegrityError), transaction.atomic():
        comment.save()
    assert look(comment) == before
    assert comment._timestamp_save is None


def test_the_transaction_is_broken_after_a_failed_write_as_in_django():
    with transaction.atomic():
        with transaction.atomic():
            Note.objects.create(pk=3)
            with pytest.raises(IntegrityError):
                Note(pk=3).save(force_insert=True)
            assert connection.needs_rollback
            transaction.set_rollback(True)
    assert not Note.objects.exists()


def test_a_nested_save_that_fails_ends_before_the_outer_one(connected, clock):
    saves = []

    def receive(instance, created, **_):
        outer = instance._timestamp_save
        if created:
            instance.title = "inner"
            instance.save()
            saves.append(instance._timestamp_save is outer)

    connected(models.signals.post_save, receive, sender=Note)
    Note.objects.create()
    assert saves == [True]
