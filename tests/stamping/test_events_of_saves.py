"""The events and signals of single-instance writes, and what the suspensions make of them, cell by cell."""

import copy
import pickle
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import override_settings

from django_clean_timestamps.context import (
    no_touching,
    preserve_timestamps,
    stamped_at,
    timestamp_context,
    without_events,
)
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampUpdatedEvent
from django_clean_timestamps.signals import timestamp_created, timestamp_deleted, timestamp_updated
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import attach_writer, get_writer
from tests.testapp.models import Animal, Comment, Dog, Note, NoteProxy, Product, Project, Puppy, Task

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
CLOCK = "tests.stamping.standing_clock.clock"


def row(entity):
    return type(entity)._base_manager.get(pk=entity.pk)


@pytest.fixture
def received():
    """Yield what the three signals send, as keyword arguments."""
    calls = []

    def receive(signal, **kwargs):
        calls.append(kwargs)

    signals = (timestamp_created, timestamp_updated, timestamp_deleted)
    for signal in signals:
        signal.connect(receive)
    yield calls
    for signal in signals:
        signal.disconnect(receive)


def test_an_insert_is_a_created_event(clock):
    with capture_events() as events:
        note = Note.objects.create(created_at=clock.now - SECOND, updated_at=clock.now)
    (event,) = events
    assert isinstance(event, TimestampCreatedEvent)
    assert (event.entity_type, event.entity_id) == ("testapp.note", str(note.pk))
    assert (event.created_timestamp, event.occurred_at) == (clock.now - SECOND, clock.now)
    assert (event.reason, event.actor, event.correlation_id, dict(event.metadata)) == ("entity_created", "", "", {})
    assert (event.position, event.recorded_at, event.replayed) == (None, None, False)


def test_an_update_is_an_updated_event(clock):
    note = Note.objects.create()
    clock.tick()
    with capture_events() as events:
        note.save()
    (event,) = events
    assert isinstance(event, TimestampUpdatedEvent)
    assert (event.old_timestamp, event.new_timestamp, event.occurred_at) == (clock.now - SECOND, clock.now, clock.now)
    assert event.reason == "entity_updated"


def test_an_events_id_carries_its_moment(clock):
    with capture_events() as events:
        Note.objects.create()
    assert events[0].event_id.version == 7
    assert events[0].event_id.int >> 80 == int(clock.now.timestamp() * 1000)


def test_the_context_gives_reason_actor_correlation_and_metadata(clock):
    with timestamp_context(reason="import", actor="ann", correlation_id="c1", batch=7), capture_events() as events:
        note = Note.objects.create()
        note.touch("passed")
    created, touched = events
    assert (created.reason, created.actor, created.correlation_id, dict(created.metadata)) == (
        "import",
        "ann",
        "c1",
        {"batch": 7},
    )
    assert (touched.reason, touched.actor) == ("passed", "ann")


def test_an_entitys_own_identity_names_it(clock):
    with capture_events() as events:
        Product.objects.create(sku="x1").save()
    assert [event.entity_id for event in events] == ["sku-x1"] * 2


def test_a_signal_names_the_concrete_model_and_brings_the_instance(received):
    proxy = NoteProxy.objects.create()
    proxy.save()
    proxy.touch()
    assert [call["sender"] for call in received] == [Note] * 3
    assert all(call["instance"] is proxy for call in received)
    assert [call["event"].event_type for call in received] == ["timestamp_created"] + ["timestamp_updated"] * 2


def test_a_signal_of_a_multi_table_child_names_the_class_written_through(received):
    puppy = Puppy.objects.create()
    Animal.objects.get().save()
    Dog.objects.get().save()
    puppy.save()
    assert [call["sender"] for call in received] == [Puppy, Animal, Dog, Puppy]


def test_the_instance_already_is_what_it_will_be_for_a_receiver(clock):
    seen = []

    def receive(instance, **_):
        seen.append((instance.pk is not None, instance._state.adding, instance._state.db, instance.updated_at))
        assert row(instance).updated_at == instance.updated_at

    timestamp_created.connect(receive, sender=Note)
    try:
        Note.objects.create()
    finally:
        timestamp_created.disconnect(receive, sender=Note)
    assert seen == [(True, False, "default", clock.now)]


def test_a_signal_and_the_log_carry_the_same_event(received):
    with capture_events() as events:
        Note.objects.create()
    assert received[0]["event"] is events[0]


# What an instance knows of its events.


def test_an_instance_knows_the_events_it_raised_in_this_transaction():
    with transaction.atomic():
        note = Note.objects.create()
        note.touch("seen")
        assert [event.reason for event in note.get_domain_events()] == ["entity_created", "seen"]
        assert note.to_timestamp_dict()["domain_events_count"] == 2


def test_events_of_a_savepoint_that_was_rolled_back_are_gone():
    note = Note.objects.create()
    with transaction.atomic():
        note.save()
        assert len(note.get_domain_events()) == 2
        transaction.set_rollback(True)
    assert len(note.get_domain_events()) == 1


@pytest.mark.django_db(transaction=True)
def test_events_are_gone_after_commit_and_after_rollback():
    note = Note.objects.create()
    assert note.get_domain_events() == []
    with transaction.atomic():
        note.save()
        assert len(note.get_domain_events()) == 1
    assert note.get_domain_events() == []
    with transaction.atomic():
        note.save()
        transaction.set_rollback(True)
    assert note.get_domain_events() == []
    with transaction.atomic():
        note.save()
        assert len(note.get_domain_events()) == 1


def test_cleared_events_stay_recorded():
    with capture_events() as events:
        note = Note.objects.create()
        note.clear_domain_events()
        assert note.get_domain_events() == []
        note.save()
        assert len(note.get_domain_events()) == 1
    assert len(events) == 2


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda note: pickle.loads(pickle.dumps(note))],
    ids=["copy", "deep", "pickle"],
)
def test_a_copy_of_an_entity_knows_its_stamps_and_no_events(duplicate, clock):
    note = Note.objects.create(title="a")
    other = duplicate(note)
    assert (other, other.title, other.updated_at) == (note, "a", note.updated_at)
    assert (other.get_domain_events(), len(note.get_domain_events())) == ([], 1)
    clock.tick()
    other.save()
    assert row(note).updated_at == clock.now


def test_an_entity_is_pickled_while_it_is_being_saved():
    pickled = []

    def receive(instance, **_):
        pickled.append(pickle.loads(pickle.dumps(instance)))

    timestamp_created.connect(receive, sender=Note)
    try:
        Note.objects.create()
    finally:
        timestamp_created.disconnect(receive, sender=Note)
    assert pickled[0]._timestamp_save is None


# What an entity says of its times.


def test_to_timestamp_dict_describes_a_saved_entity(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.touch()
    clock.tick(30)
    assert note.to_timestamp_dict() == {
        "entity_id": str(note.pk),
        "created_at": "2026-01-01T00:00:00+00:00",
        "updated_at": "2026-01-01T00:01:00+00:00",
        "age_seconds": 90.0,
        "staleness_seconds": 30.0,
        "domain_events_count": 2,
    }


def test_to_timestamp_dict_describes_an_unsaved_entity():
    assert Note().to_timestamp_dict() == {
        "entity_id": "None",
        "created_at": None,
        "updated_at": None,
        "age_seconds": None,
        "staleness_seconds": None,
        "domain_events_count": 0,
    }


def test_is_newer_than_compares_updated_at(clock):
    first = Note.objects.create()
    clock.tick()
    second = Note.objects.create()
    assert second.is_newer_than(first) is True
    assert first.is_newer_than(second) is False
    assert first.is_newer_than(first) is False
    assert first.is_newer_than(Note()) is None
    assert Note().is_newer_than(first) is None


def test_ages_are_seconds_by_the_clock(clock):
    note = Note.objects.create()
    clock.tick(1.5)
    assert (note.get_age_seconds(), note.get_staleness_seconds()) == (1.5, 1.5)
    assert (Note().get_age_seconds(), Note().get_staleness_seconds()) == (None, None)


# The table of suspensions, row by row and cell by cell.


@pytest.fixture
def family(clock):
    project = Project.objects.create()
    task = Task.objects.create(project=project)
    clock.tick(60)
    return row(project), row(task)


def test_no_touching_stamps_and_records_as_ever(family, clock):
    _, task = family
    with no_touching(), capture_events() as events:
        task.save()
    assert row(task).updated_at == clock.now
    assert [event.entity_type for event in events] == ["testapp.task"]


def test_no_touching_writes_given_stamps_as_ever(family, clock):
    _, task = family
    task.updated_at = clock.now - SECOND
    with no_touching():
        task.save()
    assert row(task).updated_at == clock.now - SECOND


def test_no_touching_stops_touch_and_being_touched_as_a_parent(family, clock):
    project, task = family
    with no_touching(Project):
        task.save()
        project.touch()
    assert (row(project).updated_at, row(task).updated_at) == (project.updated_at, clock.now)
    with no_touching(Task):
        task.touch()
        assert row(project).updated_at == project.updated_at
        task.save()
    assert row(project).updated_at == clock.now


def test_preserve_timestamps_takes_no_stamp_from_the_clock_and_records(family, clock):
    _, task = family
    task.title = "b"
    with preserve_timestamps(), capture_events() as events:
        task.save()
    assert (row(task).title, row(task).updated_at) == ("b", task.updated_at)
    assert [event.event_type for event in events] == ["timestamp_updated"]
    assert (events[0].old_timestamp, events[0].new_timestamp) == (task.updated_at, task.updated_at)


def test_preserve_timestamps_writes_given_stamps(family, clock):
    _, task = family
    task.created_at, task.updated_at = clock.now - 30 * SECOND, clock.now - 20 * SECOND
    with preserve_timestamps(Task):
        task.save()
    assert (row(task).created_at, row(task).updated_at) == (clock.now - 30 * SECOND, clock.now - 20 * SECOND)


def test_preserve_timestamps_takes_the_given_moment(family, clock):
    _, task = family
    with preserve_timestamps(), stamped_at(clock.now - SECOND):
        task.save()
    assert row(task).updated_at == clock.now - SECOND


def test_preserve_timestamps_does_not_touch_rows_of_its_models_as_parents(family, clock):
    project, task = family
    with preserve_timestamps(Project):
        task.save()
    assert (row(project).updated_at, row(task).updated_at) == (project.updated_at, clock.now)
    with preserve_timestamps(Task):
        task.save()
    assert row(project).updated_at == clock.now


@pytest.mark.parametrize("names", [None, ["title"], ["updated_at"]])
def test_preserve_timestamps_leaves_update_fields_alone(family, clock, names):
    _, task = family
    task.title = "b"
    with preserve_timestamps():
        task.save(update_fields=names)
    assert row(task).updated_at == task.updated_at
    assert row(task).title == ("" if names == ["updated_at"] else "b")


def test_without_events_stamps_touches_and_says_nothing(family, clock, received):
    project, task = family
    with without_events(), capture_events() as events:
        task.save()
        task.touch()
        Note.objects.create()
    assert row(project).updated_at >= clock.now
    assert row(task).updated_at > clock.now
    assert (events, received, task.get_domain_events()) == ([], [], [])


def test_without_events_of_one_model_leaves_the_others_loud(family, clock):
    _, task = family
    with without_events(Task), capture_events() as events:
        task.save()
    assert [event.entity_type for event in events] == ["testapp.project"]


def test_what_was_suspended_when_the_child_was_written_counts(family, clock):
    project, task = family
    with transaction.atomic():
        with no_touching():
            task.save()
    assert row(project).updated_at == project.updated_at


class Collector:
    def __init__(self):
        self.written = []

    def write(self, connection, events):
        self.written += events


@pytest.mark.django_db(transaction=True)
def test_events_off_stamps_and_signals_as_ever_and_writes_no_event(clock, received):
    collector, before = Collector(), get_writer()
    attach_writer(collector)
    try:
        with override_settings(CLEAN_TIMESTAMPS={"EVENTS": False, "CLOCK": CLOCK}):
            comment = Comment.objects.create(task=Task.objects.create())
            note = Note.objects.create()
            note.save()
        assert collector.written == []
        Note.objects.create()
    finally:
        attach_writer(before)
    assert len(collector.written) == 1
    assert row(note).updated_at == clock.now + timedelta(microseconds=1)
    assert row(comment.task).updated_at > comment.task.updated_at
    assert len(received) == 6


def test_a_proxy_and_a_subclass_are_covered_and_a_parent_is_not(clock):
    with capture_events() as events:
        with without_events(Note):
            NoteProxy.objects.create()
        with without_events(Dog):
            Puppy.objects.create()
        assert events == []
        with without_events(Dog):
            Animal.objects.create()
        with without_events(NoteProxy):
            Note.objects.create()
    assert [event.entity_type for event in events] == ["testapp.animal", "testapp.note"]


def test_stamped_at_is_exact_for_every_write_inside(clock):
    moment = clock.now - 60 * SECOND
    with stamped_at(moment), capture_events() as events:
        note = Note.objects.create()
        note.save()
        note.touch()
        Note.objects.update(title="b")
    assert row(note).updated_at == moment
    assert {event.occurred_at for event in events} == {moment}
