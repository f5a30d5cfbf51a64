"""``save()`` of a row that exists, and what both kinds of ``save()`` share."""

import django
import pytest
from django.db import DatabaseError, connection, models, transaction

from django_clean_timestamps.context import preserve_timestamps
from django_clean_timestamps.testing import capture_events
from tests.otherapp.models import Remote
from tests.stamping.rows import SECOND, row
from tests.testapp.models import (
    Note,
    Task,
)

pytestmark = pytest.mark.django_db

both_databases = pytest.mark.django_db(databases=["default", "other"])


def test_save_moves_updated_at_to_the_clock_and_keeps_created_at(clock):
    note = Note.objects.create()
    created = note.created_at
    note.title = "b"
    clock.tick(5)
    note.save()
    assert (note.created_at, note.updated_at) == (created, created + 5 * SECOND)
    assert (row(note).created_at, row(note).updated_at, row(note).title) == (created, created + 5 * SECOND, "b")


def test_save_reads_the_clock_once(clock):
    readings = []
    original = type(clock).__call__
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(clock), "__call__", lambda self: readings.append(1) or original(self))
        Note().save()
        assert len(readings) == 1
        Note.objects.get().save()
    assert len(readings) == 2


@pytest.mark.parametrize(
    "names",
    [["title"], ("title",), {"title"}, frozenset({"title"}), iter(["title"]), (name for name in ("title",))],
    ids=["list", "tuple", "set", "frozenset", "iterator", "generator"],
)
def test_save_with_update_fields_of_any_kind_stamps(clock, names):
    note = Note.objects.create(title="a", amount=1)
    note.title, note.amount = "b", 2
    clock.tick()
    note.save(update_fields=names)
    stored = row(note)
    assert (stored.title, stored.amount, stored.updated_at) == ("b", 1, clock.now)


@pytest.mark.parametrize("names", [["updated_at"], ["created_at"], ["updated_at", "created_at"]])
def test_save_with_stamps_alone_in_update_fields_moves_updated_at(clock, names):
    note = Note.objects.create()
    created = note.created_at
    clock.tick()
    note.save(update_fields=names)
    assert (row(note).created_at, row(note).updated_at) == (created, clock.now)


def test_save_with_empty_update_fields_writes_nothing(clock, queries):
    note = Note.objects.create()
    stamp = note.updated_at
    clock.tick()
    with capture_events() as events, queries() as statements:
        note.save(update_fields=[])
        note.save(update_fields=iter(()))
    assert (note.updated_at, row(note).updated_at, events, statements.texts) == (stamp, stamp, [], [])


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="a TypeError from 6.0 on")
def test_save_by_position_stamps_and_django_warns(clock):
    note = Note.objects.create()
    note.title = "b"
    clock.tick()
    with pytest.warns(DeprecationWarning, match=r"Passing positional arguments to save\(\) is deprecated") as warned:
        note.save(False, True, "default", ["title"])
    assert row(note).updated_at == clock.now
    assert warned[0].filename == __file__


@pytest.mark.skipif(django.VERSION < (6, 0), reason="deprecated until 5.2")
def test_save_by_position_is_a_type_error():
    note = Note.objects.create()
    with pytest.raises(TypeError):
        note.save(False, True, "default", ["title"])


@pytest.mark.parametrize("call", [{"update_fields": ["nothing"]}, {"force_insert": True, "force_update": True}])
def test_what_django_refuses_first_leaves_the_callers_transaction_usable(call):
    note = Note.objects.create()
    stamp = note.updated_at
    with transaction.atomic():
        with pytest.raises(ValueError, match=r"do not exist in this model|Cannot force both"):
            note.save(**call)
        Note.objects.create(title="after")
    assert note.updated_at == stamp
    assert Note.objects.filter(title="after").exists()


def test_an_unsaved_related_object_is_refused_before_the_transaction(clock):
    from tests.testapp.models import Project

    task = Task(project=Project())
    with transaction.atomic():
        with pytest.raises(ValueError, match="unsaved related object"):
            task.save()
        Note.objects.create()
    assert (task.created_at, task.updated_at, task.pk) == (None, None, None)


@pytest.mark.parametrize("missing", ["updated_at", "created_at", "title"])
def test_save_of_an_instance_with_deferred_fields_stamps(clock, missing):
    Note.objects.create(title="a")
    note = Note.objects.defer(missing).get()
    note.amount = 7
    clock.tick()
    note.save()
    stored = row(note)
    assert (stored.amount, stored.title, stored.updated_at) == (7, "a", clock.now)
    assert stored.created_at == clock.now - SECOND
    assert (note.created_at, note.updated_at) == (stored.created_at, stored.updated_at)


def test_save_of_an_instance_with_only_one_field_stamps(clock):
    Note.objects.create(title="a", amount=1)
    note = Note.objects.only("title").get()
    note.title = "b"
    clock.tick()
    with capture_events() as events:
        note.save()
    assert (row(note).title, row(note).amount, row(note).updated_at) == ("b", 1, clock.now)
    assert events[0].old_timestamp is None
    assert "created_at" not in note.__dict__


def test_a_deferred_stamp_loaded_later_is_not_a_given_one(clock):
    Note.objects.create()
    note = Note.objects.only("title").get()
    assert note.updated_at == note.created_at
    clock.tick()
    note.save()
    assert row(note).updated_at == clock.now


@pytest.mark.skipif(django.VERSION < (6, 1), reason="fetch modes come with 6.1")
def test_stamps_loaded_for_all_peers_are_not_given_ones(clock):
    Note.objects.bulk_create([Note(), Note()])
    first, second = Note.objects.only("title").fetch_mode(models.FETCH_PEERS)
    assert first.updated_at == first.created_at
    assert "updated_at" in second.__dict__
    clock.tick()
    second.save()
    assert row(second).updated_at == clock.now


@pytest.mark.skipif(django.VERSION < (6, 1), reason="fetch modes come with 6.1")
def test_a_stamp_given_to_a_peer_stays_given_when_the_others_are_loaded(clock):
    Note.objects.bulk_create([Note(), Note()])
    first, second = Note.objects.only("title").fetch_mode(models.FETCH_PEERS)
    moment = clock.now + 2 * SECOND
    second.updated_at = moment
    assert first.updated_at
    clock.tick(30)
    second.save()
    assert row(second).updated_at == moment


@pytest.mark.skipif(django.VERSION < (6, 1), reason="fetch modes come with 6.1")
def test_a_copy_after_a_load_of_peers_gets_fresh_stamps(clock):
    Note.objects.bulk_create([Note(), Note()])
    first, second = Note.objects.only("title").fetch_mode(models.FETCH_PEERS)
    assert first.updated_at == first.created_at
    for name in ("amount", "seen_at", "day"):
        getattr(second, name)
    second.pk = None
    clock.tick()
    second.save(force_insert=True)
    assert (row(second).created_at, row(second).updated_at) == (clock.now, clock.now)


def test_force_update_stamps(clock):
    note = Note.objects.create()
    clock.tick()
    note.save(force_update=True)
    assert row(note).updated_at == clock.now


def test_force_update_of_a_lost_row_is_djangos_error_and_changes_nothing(clock):
    note = Note.objects.create()
    stamp = note.updated_at
    Note.objects.all().delete()
    clock.tick()
    with pytest.raises(DatabaseError, match="did not affect any rows"), transaction.atomic():
        note.save(force_update=True)
    assert (note.updated_at, note._state.adding) == (stamp, False)


def test_save_of_update_fields_of_a_lost_row_is_djangos_error():
    note = Note.objects.create()
    Note.objects.all().delete()
    with pytest.raises(DatabaseError, match="did not affect any rows"), transaction.atomic():
        note.save(update_fields=["title"])


def test_save_of_an_instance_made_by_hand_keeps_created_at_and_the_instance_learns_it(clock):
    note = Note.objects.create(title="a")
    clock.tick()
    by_hand = Note(pk=note.pk, title="b")
    with capture_events() as events:
        by_hand.save()
    assert row(note).created_at == by_hand.created_at == note.created_at
    assert row(note).updated_at == by_hand.updated_at == clock.now
    assert [type(event).event_type for event in events] == ["timestamp_updated"]


def test_save_by_hand_under_preserve_timestamps_learns_both_stamps(clock):
    note = Note.objects.create(title="a")
    clock.tick()
    by_hand = Note(pk=note.pk, title="b")
    with preserve_timestamps(), capture_events() as events:
        by_hand.save()
    assert (by_hand.created_at, by_hand.updated_at) == (note.created_at, note.updated_at)
    assert (row(note).title, events[0].new_timestamp) == ("b", note.updated_at)


def test_created_at_set_to_none_stays_in_the_row_and_comes_back(clock):
    note = Note.objects.create()
    created = note.created_at
    note.created_at = None
    clock.tick()
    note.save()
    assert note.created_at == row(note).created_at == created


def test_updated_at_set_to_none_gets_the_clock(clock):
    note = Note.objects.create()
    note.updated_at = None
    clock.tick()
    note.save()
    assert note.updated_at == row(note).updated_at == clock.now


@both_databases
def test_save_to_another_database_inserts_with_fresh_stamps(clock):
    note = Note.objects.create(title="a")
    clock.tick()
    with capture_events() as events:
        note.save(using="other")
    stored = row(note, "other")
    assert (stored.created_at, stored.updated_at, stored.title) == (clock.now, clock.now, "a")
    assert note._state.db == "other"
    assert [type(event).event_type for event in events] == ["timestamp_created"]


@both_databases
def test_save_on_a_second_database_updates_there(clock):
    note = Note.objects.using("other").create(title="a")
    clock.tick()
    note.title = "b"
    note.save()
    assert (row(note, "other").title, row(note, "other").updated_at) == ("b", clock.now)
    assert not Note.objects.exists()


@both_databases
def test_a_model_that_lives_on_a_second_database_is_stamped_there(clock):
    remote = Remote.objects.create(name="a")
    clock.tick()
    remote.save()
    assert (Remote.objects.get().created_at, Remote.objects.get().updated_at) == (clock.now - SECOND, clock.now)


# The cost.


def test_save_is_one_statement_in_a_transaction(queries):
    note = Note.objects.create()
    with queries() as statements:
        note.save()
    assert [text.split()[0] for text in statements.texts] == ["UPDATE"]


def test_create_is_one_statement_in_a_transaction(queries):
    with queries() as statements:
        Note.objects.create()
    assert [text.split()[0] for text in statements.texts] == ["INSERT"]


@pytest.mark.django_db(transaction=True)
def test_save_outside_a_transaction_opens_one(django_assert_num_queries):
    note = Note.objects.create()
    with capture_events() as events:
        note.save()
    assert connection.in_atomic_block is False
    assert len(events) == 1


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_on_sqlite_a_lone_save_takes_the_write_lock_before_it_reads_the_clock(queries):
    with queries() as statements:
        Note.objects.create()
    assert statements.captured_queries[0]["sql"] == "BEGIN IMMEDIATE"


def test_save_base_of_an_entity_stamps_too(clock):
    note = Note(title="a")
    note.save_base()
    assert row(note).created_at == row(note).updated_at == clock.now
