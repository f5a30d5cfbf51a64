"""``touch()`` of one instance."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, models, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.clocks import TICK
from django_clean_timestamps.context import (
    no_touching,
    preserve_timestamps,
    stamped_at,
    timestamp_context,
    without_events,
)
from django_clean_timestamps.exceptions import ImmutableTimestampError
from django_clean_timestamps.signals import timestamp_updated
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import (
    Animal,
    Chained,
    Crate,
    Currency,
    Dog,
    Lamb,
    Note,
    NoteProxy,
    Project,
    Puppy,
    Seat,
    Task,
    Token,
    Tracked,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
both_databases = pytest.mark.django_db(databases=["default", "other"])


def row(entity, using="default"):
    return type(entity)._base_manager.using(using).get(pk=entity.pk)


@pytest.fixture(params=[True, False], ids=["compiled", "by the ORM"])
def compiled(request, settings, clock):
    settings.CLEAN_TIMESTAMPS = {**settings.CLEAN_TIMESTAMPS, "COMPILED_WRITES": request.param}
    return request.param


SHAPES = {
    "plain": Note,
    "proxy": NoteProxy,
    "natural key": Currency,
    "UUID": Token,
    "child": Dog,
    "grandchild": Puppy,
    "stamps in the child": Crate,
    "abstract chain": Chained,
}


def make(model):
    return model.objects.create(code="EUR") if model is Currency else model.objects.create()


@pytest.mark.parametrize("model", [*SHAPES.values(), Seat], ids=[*SHAPES, "composite"])
def test_touch_moves_updated_at_alone(compiled, clock, model):
    entity = Seat.objects.create(row=1, number=2) if model is Seat else make(model)
    clock.tick()
    with capture_events() as events:
        entity.touch("seen")
    stored = row(entity)
    assert stored.updated_at == entity.updated_at == clock.now
    assert stored.created_at == clock.now - SECOND
    (event,) = events
    assert (event.event_type, event.entity_id, event.reason) == ("timestamp_updated", str(entity.pk), "seen")
    assert (event.old_timestamp, event.new_timestamp) == (clock.now - SECOND, clock.now)


@pytest.mark.parametrize("model", [*SHAPES.values(), Seat], ids=[*SHAPES, "composite"])
def test_touch_is_one_statement(compiled, queries, model):
    entity = Seat.objects.create(row=1, number=2) if model is Seat else make(model)
    entity.touch()
    with queries() as statements:
        entity.touch()
    (statement,) = statements.texts
    assert statement.startswith("UPDATE")
    # The guard stands in the UPDATE itself, or a touch that waited for another would move the row back.
    assert statement.count("updated_at") == 2


def test_touch_leaves_other_changes_unsaved(compiled, clock):
    note = Note.objects.create(title="a")
    note.title = "b"
    clock.tick()
    note.touch()
    assert (note.title, row(note).title, row(note).updated_at) == ("b", "a", clock.now)
    note.save()
    assert row(note).title == "b"


def test_touch_leaves_a_changed_created_at_unsaved_and_unrefused(clock):
    note = Note.objects.create()
    note.created_at = datetime(2000, 1, 1, tzinfo=UTC)
    note.touch()
    assert row(note).created_at == clock.now


def test_touch_sends_no_pre_save_and_no_post_save():
    note = Note.objects.create()
    sent = []

    def receive(**_):
        sent.append(1)

    signals = (models.signals.pre_save, models.signals.post_save)
    for signal in signals:
        signal.connect(receive, sender=Note)
    try:
        note.touch()
    finally:
        for signal in signals:
            signal.disconnect(receive, sender=Note)
    assert sent == []


def test_touch_moves_other_datetime_fields_along(compiled, clock):
    note = Note.objects.create()
    clock.tick()
    note.touch(fields=["seen_at", "updated_at", "seen_at"])
    assert note.seen_at == row(note).seen_at == row(note).updated_at == clock.now


def test_touch_moves_fields_of_an_inherited_table(compiled, clock):
    note = NoteProxy.objects.create()
    clock.tick()
    note.touch(fields=("seen_at",), at=clock.now - SECOND)
    assert (row(note).seen_at, row(note).updated_at) == (clock.now - SECOND, clock.now - SECOND)


@pytest.mark.parametrize("name", ["nothing", "title", "day", "pk"])
def test_touch_of_what_is_no_datetime_field_is_refused(name):
    note = Note.objects.create()
    stamp = note.updated_at
    with pytest.raises(FieldError, match=f"Note has no DateTimeField '{name}' to touch; it has"):
        note.touch(fields=[name])
    assert row(note).updated_at == stamp


def test_touch_of_created_at_is_refused():
    with pytest.raises(ImmutableTimestampError, match=r"testapp.Note: touch\(\) cannot move created_at"):
        Note.objects.create().touch(fields=["created_at"])


def test_touch_moves_fields_of_several_inherited_tables(compiled, clock):
    lamb = Lamb.objects.create()
    stale = row(lamb)
    clock.tick()
    lamb.touch(fields=["shorn_at", "counted_at"])
    assert row(lamb).shorn_at == row(lamb).counted_at == row(lamb).updated_at == clock.now
    stale.touch(fields=["shorn_at"])
    assert row(lamb).shorn_at == row(lamb).updated_at == clock.now + TICK
    assert row(lamb).counted_at == clock.now


def test_touch_takes_a_sequence_of_names():
    with pytest.raises(TypeError, match="not the text 'seen_at'"):
        Note.objects.create().touch(fields="seen_at")


def test_touch_at_a_given_time_is_exact_twice_the_same_too(compiled, clock):
    note = Note.objects.create()
    clock.tick(60)
    note.touch()
    for _ in range(2):
        note.touch(at=clock.now - 30 * SECOND)
        assert note.updated_at == row(note).updated_at == clock.now - 30 * SECOND


def test_touch_at_created_at_itself_is_allowed(clock):
    note = Note.objects.create()
    note.touch(at=note.created_at)
    assert row(note).updated_at == note.created_at


def test_at_wins_over_stamped_at(clock):
    note = Note.objects.create()
    clock.tick(60)
    with stamped_at(clock.now - 20 * SECOND):
        note.touch(at=clock.now - 10 * SECOND)
        assert row(note).updated_at == clock.now - 10 * SECOND
        note.touch()
    assert row(note).updated_at == clock.now - 20 * SECOND


def test_touch_increases_while_the_clock_stands_and_when_it_goes_back(compiled, clock):
    note = Note.objects.create()
    start = clock.now
    note.touch()
    clock.tick(-60)
    note.touch()
    assert note.updated_at == row(note).updated_at == start + 2 * TICK


@pytest.mark.parametrize("model", SHAPES.values(), ids=SHAPES)
def test_touch_of_a_stale_instance_increases_over_what_another_stored(compiled, clock, model):
    entity = make(model)
    stale = row(entity)
    clock.tick(60)
    entity.touch()
    clock.tick(-60)
    with capture_events() as events:
        stale.touch(fields=["seen_at"] if model in (Note, NoteProxy) else ())
    assert stale.updated_at == row(entity).updated_at == entity.updated_at + TICK
    assert (events[0].old_timestamp, events[0].new_timestamp) == (entity.updated_at, entity.updated_at + TICK)
    if model in (Note, NoteProxy):
        assert stale.seen_at == row(entity).seen_at == stale.updated_at


@pytest.mark.parametrize("entity", [Note(), Note(pk=5), Seat(row=1), Dog()], ids=["plain", "key", "composite", "child"])
def test_touch_of_an_unsaved_instance_is_a_value_error(entity):
    with pytest.raises(ValueError, match=r"touch\(\) needs a saved instance; save\(\) it first"):
        entity.touch()


def test_touch_of_a_deleted_instance_is_a_value_error():
    note = Note.objects.create()
    note.delete()
    with pytest.raises(ValueError, match="needs a saved instance"):
        note.touch()


@pytest.mark.parametrize("model", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("given", [False, True], ids=["clock", "given"])
def test_touch_of_a_vanished_row_is_does_not_exist(compiled, clock, model, given):
    entity = make(model)
    stamp = entity.updated_at
    (Animal if model in (Dog, Puppy) else model).objects.all().delete()
    clock.tick()
    with capture_events() as events, pytest.raises(model.DoesNotExist, match=r"is not in the database 'default'"):
        entity.touch(at=clock.now if given else None)
    assert entity.updated_at == stamp
    assert events == []
    entity._state.adding = True


@both_databases
def test_touch_using_another_database(compiled, clock):
    Note.objects.using("other").create(pk=9)
    note = Note.objects.create(pk=9)
    clock.tick()
    note.touch(using="other")
    assert (row(note).updated_at, row(note, "other").updated_at) == (clock.now - SECOND, clock.now)


@both_databases
def test_touch_goes_where_the_instance_comes_from(clock):
    note = Note.objects.using("other").create()
    clock.tick()
    note.touch()
    assert row(note, "other").updated_at == clock.now


def test_touch_of_an_instance_that_did_not_load_its_stamps(compiled, clock):
    Note.objects.create()
    note = Note.objects.only("title").get()
    clock.tick()
    with capture_events() as events:
        note.touch()
    assert note.updated_at == row(note).updated_at == clock.now
    assert events[0].old_timestamp is None
    assert "created_at" not in note.__dict__


def test_touch_ends_a_given_stamp(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.updated_at = clock.now - SECOND
    note.touch()
    assert row(note).updated_at == clock.now


# Reasons and contexts.


def test_the_reason_that_is_passed_wins_then_the_contexts_then_the_default(clock):
    note = Note.objects.create()
    with capture_events() as events:
        note.touch()
        with timestamp_context(reason="context"):
            note.touch()
            note.touch("passed")
            note.touch("")
    assert [event.reason for event in events] == ["entity_updated", "context", "passed", "entity_updated"]


def test_a_lazy_reason_is_text(clock):
    from django.utils.translation import gettext_lazy

    note = Note.objects.create()
    with capture_events() as events:
        note.touch(gettext_lazy("yes"))
    assert events[0].reason == "yes"


def test_no_touching_lets_touch_do_nothing(clock, queries):
    note = Note.objects.create()
    stamp = note.updated_at
    clock.tick()
    with no_touching(Note), queries() as statements:
        note.touch()
        note.touch(at=clock.now)
    assert (note.updated_at, row(note).updated_at, statements.texts) == (stamp, stamp, [])


def test_preserve_timestamps_lets_only_a_given_time_through(clock):
    note = Note.objects.create()
    stamp = note.updated_at
    clock.tick(60)
    with preserve_timestamps(Note):
        note.touch()
        assert row(note).updated_at == stamp
        note.touch(at=clock.now - SECOND)
        assert row(note).updated_at == clock.now - SECOND


def test_without_events_touch_stamps_in_silence(clock):
    note = Note.objects.create()
    clock.tick()
    with without_events(), capture_events() as events:
        note.touch()
    assert (row(note).updated_at, events) == (clock.now, [])


# Parents.


def test_touch_propagates_to_its_parents_at_the_end_of_the_write(clock):
    task = Task.objects.create(project=Project.objects.create())
    clock.tick()
    with capture_events() as events:
        task.touch("seen")
    assert Project.objects.get().updated_at == clock.now
    assert [(event.entity_type, event.reason) for event in events] == [
        ("testapp.task", "seen"),
        ("testapp.project", "seen"),
    ]


def test_touch_without_propagation_leaves_the_parents(clock):
    task = Task.objects.create(project=Project.objects.create())
    clock.tick()
    task.touch(propagate=False)
    assert row(task).updated_at == clock.now > Project.objects.get().updated_at


@pytest.mark.parametrize("load", [lambda rows: rows.get(), lambda rows: rows.only("title").get()])
def test_touch_touches_the_rows_own_parent_not_an_unsaved_one(clock, load):
    first, second = Project.objects.create(), Project.objects.create()
    Task.objects.create(project=first)
    task = load(Task.objects)
    task.project = second
    clock.tick()
    task.touch()
    assert (row(first).updated_at, row(second).updated_at) == (clock.now, clock.now - SECOND)
    assert row(task).project_id == first.pk


def test_a_refreshed_parent_is_not_taken_for_the_loaded_one(clock):
    first, second = Project.objects.create(), Project.objects.create()
    task = Task.objects.create(project=first)
    Task.objects.update(project=second)
    task.refresh_from_db(fields=["project"])
    clock.tick()
    task.touch()
    assert (row(first).updated_at < clock.now, row(second).updated_at) == (True, clock.now)


def test_a_refresh_of_other_fields_leaves_the_loaded_parent(clock):
    first, second = Project.objects.create(), Project.objects.create()
    task = Task.objects.create(project=first)
    task.project = second
    task.refresh_from_db(fields=["title"])
    clock.tick()
    task.save()
    assert row(first).updated_at == row(second).updated_at == clock.now


# Failures.


def test_a_touch_that_a_receiver_undoes_leaves_the_instance_as_it_was(clock):
    note = Note.objects.create()
    stamp = note.updated_at
    clock.tick()

    def receive(**_):
        raise RuntimeError("no")

    timestamp_updated.connect(receive, sender=Note)
    try:
        with capture_events() as events, pytest.raises(RuntimeError), transaction.atomic():
            note.touch(fields=["seen_at"])
    finally:
        timestamp_updated.disconnect(receive, sender=Note)
    assert note.updated_at is stamp
    assert (note.seen_at, row(note).updated_at, events) == (None, stamp, [])
    clock.tick()
    note.save()
    assert row(note).updated_at == clock.now


def test_a_touch_that_the_database_refuses_leaves_the_instance_as_it_was(clock):
    note = Note.objects.only("title").get(pk=Note.objects.create().pk)

    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise IntegrityError("refused")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(IntegrityError), transaction.atomic():
        note.touch(fields=["seen_at"])
    assert not {"updated_at", "seen_at", "_loaded_updated_at"} & note.__dict__.keys()


def test_a_field_tracker_is_in_step_after_touch_and_save(clock):
    tracked = Tracked.objects.create(title="a")
    assert not tracked.tracker.changed()
    tracked.title = "b"
    clock.tick()
    tracked.touch(fields=["seen_at"])
    assert tracked.tracker.changed() == {"title": "a"}
    clock.tick()
    tracked.save(update_fields=["seen_at"])
    assert tracked.tracker.changed() == {"title": "a"}
    tracked.save()
    assert tracked.tracker.changed() == {}
    assert tracked.tracker.previous("updated_at") == tracked.updated_at


def test_a_field_tracker_of_a_deferred_instance_is_left_in_peace(clock):
    Tracked.objects.create(title="a")
    tracked = Tracked.objects.only("title").get()
    clock.tick()
    tracked.touch()
    assert not tracked.tracker.has_changed("updated_at")
    assert row(tracked).updated_at == clock.now


def test_an_instance_without_its_tracker_is_touched_all_the_same(clock):
    tracked = Tracked.objects.create()
    del tracked.__dict__["_tracker"]
    clock.tick()
    tracked.touch()
    assert row(tracked).updated_at == clock.now


@given(st.lists(st.integers(-5_000_000, 5_000_000), min_size=1, max_size=10))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_touches_increase_strictly_whatever_the_clock_does(clock, steps):
    note = Note.objects.create()
    for step in steps:
        before = note.updated_at
        clock.set(clock.now + timedelta(microseconds=step))
        note.touch()
        assert note.updated_at == max(clock.now, before + TICK)
    assert row(note).updated_at == note.updated_at
