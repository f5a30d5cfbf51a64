"""``save()`` of a row that exists, and what both kinds of ``save()`` share."""

from datetime import UTC, datetime, timedelta

import django
import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.context import preserve_timestamps, stamped_at
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.testing import capture_events
from tests.otherapp.models import Remote
from tests.testapp.models import (
    Animal,
    Asking,
    Box,
    Chained,
    Crate,
    Currency,
    Dog,
    Note,
    NoteProxy,
    Puppy,
    Seat,
    Task,
    Token,
)

pytestmark = pytest.mark.django_db

both_databases = pytest.mark.django_db(databases=["default", "other"])

TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)


def row(entity, using="default"):
    return type(entity)._base_manager.using(using).get(pk=entity.pk)


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


# The increase.


def test_updated_at_increases_while_the_clock_stands(clock):
    note = Note.objects.create()
    stamps = [note.updated_at]
    for _ in range(3):
        note.save()
        stamps.append(row(note).updated_at)
    assert stamps == [clock.now + count * TICK for count in range(4)]


def test_updated_at_increases_when_the_clock_goes_back(clock):
    note = Note.objects.create()
    before = note.updated_at
    clock.tick(-3600)
    note.save()
    assert note.updated_at == row(note).updated_at == before + TICK


@pytest.mark.parametrize("how", [{}, {"update_fields": ["title"]}, {"force_update": True}])
def test_updated_at_increases_over_what_another_writer_stored(clock, how):
    note = Note.objects.create()
    stale = row(note)
    clock.tick(60)
    note.save()
    later = note.updated_at
    clock.tick(-60)
    stale.title = "stale"
    with capture_events() as events:
        stale.save(**how)
    assert stale.updated_at == row(note).updated_at == later + TICK
    assert (events[0].old_timestamp, events[0].new_timestamp) == (later, later + TICK)
    assert row(note).title == "stale"


@pytest.mark.parametrize("model", [Asking, Chained, Dog, Puppy, Crate, Token])
def test_every_shape_of_model_increases_over_another_writer(clock, model):
    entity = model.objects.create()
    stale = row(entity)
    clock.tick(60)
    entity.save()
    clock.tick(-60)
    stale.save()
    assert stale.updated_at == row(entity).updated_at == entity.updated_at + TICK


@given(st.lists(st.integers(-10_000_000, 10_000_000), min_size=1, max_size=8), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_updated_at_increases_strictly_whatever_the_clock_and_stale_instances_do(clock, steps, data):
    instances = [Note.objects.create()]
    instances.append(row(instances[0]))
    last = instances[0].updated_at
    for step in steps:
        clock.set(clock.now + timedelta(microseconds=step))
        entity = instances[data.draw(st.integers(0, 1))]
        data.draw(st.sampled_from([entity.save, entity.touch, lambda e=entity: e.save(update_fields=["title"])]))()
        stored = row(entity).updated_at
        assert stored > last
        assert stored == entity.updated_at
        last = stored


@given(st.datetimes(datetime(1990, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)))
def test_microseconds_survive(moment):
    with stamped_at(moment):
        note = Note.objects.create()
    assert row(note).created_at == row(note).updated_at == moment


# Given stamps.


def test_a_given_updated_at_is_written_exactly_twice_the_same_too(clock):
    note = Note.objects.create()
    moment = clock.now + timedelta(seconds=3, microseconds=7)
    clock.tick(60)
    for _ in range(2):
        note.updated_at = moment + timedelta(0)
        note.save()
        assert note.updated_at == row(note).updated_at == moment
    note.updated_at = note.updated_at + timedelta(0)
    note.save()
    assert row(note).updated_at == moment


def test_a_given_updated_at_may_be_earlier_than_the_rows(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.save()
    note.updated_at = clock.now - 30 * SECOND
    note.save(update_fields=["title"])
    assert row(note).updated_at == clock.now - 30 * SECOND


def test_a_given_stamp_of_another_zone_is_kept_in_utc(clock):
    from zoneinfo import ZoneInfo

    note = Note.objects.create()
    clock.tick(60)
    moment = clock.now - SECOND
    note.updated_at = moment.astimezone(ZoneInfo("Asia/Tokyo"))
    note.save()
    assert (row(note).updated_at, note.updated_at.tzinfo) == (moment, UTC)


def test_stamped_at_is_the_stamp_of_a_save(clock):
    note = Note.objects.create()
    clock.tick(60)
    with stamped_at(clock.now - SECOND):
        note.save()
        note.save()
    assert row(note).updated_at == clock.now - SECOND


def test_a_given_stamp_wins_over_stamped_at(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.updated_at = clock.now - 10 * SECOND
    with stamped_at(clock.now - 20 * SECOND):
        note.save()
    assert row(note).updated_at == clock.now - 10 * SECOND


# Shapes of models.


def test_a_natural_key_is_inserted_once_and_updated_after(clock):
    with capture_events() as events:
        Currency(code="EUR", name="a").save()
        clock.tick()
        again = Currency(code="EUR", name="b")
        again.save()
    assert (again.created_at, again.updated_at) == (clock.now - SECOND, clock.now)
    assert [event.event_type for event in events] == ["timestamp_created", "timestamp_updated"]
    assert row(again).name == "b"


def test_a_composite_key_is_saved(clock):
    seat = Seat(row=1, number=2, guest="a")
    with capture_events() as events:
        seat.save()
        clock.tick()
        seat.guest = "b"
        seat.save()
    stored = Seat.objects.get(pk=(1, 2))
    assert (stored.guest, stored.created_at, stored.updated_at) == ("b", clock.now - SECOND, clock.now)
    assert [event.entity_id for event in events] == [str((1, 2))] * 2


def test_a_uuid_key_is_saved(clock):
    token = Token()
    with capture_events() as events:
        token.save()
        clock.tick()
        token.save()
    assert (token.created_at, token.updated_at) == (clock.now - SECOND, clock.now)
    assert [event.entity_id for event in events] == [str(token.pk)] * 2


def test_a_multi_table_child_is_one_entity_with_equal_stamps(clock):
    with capture_events() as events:
        puppy = Puppy.objects.create(name="x")
    assert puppy.created_at == puppy.updated_at == Animal.objects.get().updated_at == clock.now
    assert [(event.event_type, event.entity_type) for event in events] == [("timestamp_created", "testapp.puppy")]


@pytest.mark.parametrize("names", [None, ["weeks"], ["breed"], ["name"]])
def test_a_write_of_any_of_its_tables_bumps_the_roots_row(clock, names):
    puppy = Puppy.objects.create()
    clock.tick()
    with capture_events() as events:
        puppy.save(update_fields=names)
    assert puppy.updated_at == Animal.objects.get().updated_at == clock.now
    assert [(event.event_type, event.entity_type) for event in events] == [("timestamp_updated", "testapp.puppy")]


def test_a_child_written_through_its_parent_is_named_by_the_parent(clock):
    Dog.objects.create()
    with capture_events() as events:
        Animal.objects.get().save()
    assert [event.entity_type for event in events] == ["testapp.animal"]


@pytest.mark.parametrize("link", ["instance", "key", "inherited key"])
@pytest.mark.parametrize("how", [{}, {"force_insert": True}])
def test_making_a_child_of_a_row_that_exists_keeps_its_created_at(clock, link, how):
    animal = Animal.objects.create(name="a")
    clock.tick(60)
    arguments = {
        "instance": {"animal_ptr": animal},
        "key": {"animal_ptr_id": animal.pk},
        "inherited key": {"id": animal.pk},
    }
    dog = Dog(name="a", breed="b", **arguments[link])
    dog.save(**how)
    stored = Dog.objects.get()
    assert (stored.pk, stored.created_at, stored.updated_at) == (animal.pk, animal.created_at, clock.now)
    assert (dog.created_at, dog.updated_at) == (animal.created_at, clock.now)


def test_making_a_child_of_a_row_never_moves_it_back(clock):
    clock.tick(60)
    animal = Animal.objects.create()
    clock.tick(-60)
    Dog(id=animal.pk).save()
    assert Dog.objects.get().updated_at == animal.updated_at + TICK


def test_forcing_the_insert_of_every_table_stamps_both(clock):
    dog = Dog(id=77)
    dog.save(force_insert=(Animal,))
    assert Dog.objects.get().created_at == Dog.objects.get().updated_at == clock.now


def test_a_child_of_a_model_that_is_no_entity_is_stamped_in_its_own_table(clock):
    crate = Crate.objects.create(name="a")
    clock.tick()
    crate.name = "b"
    crate.save(update_fields=["name"])
    assert (row(crate).created_at, row(crate).updated_at, Box.objects.get().name) == (
        clock.now - SECOND,
        clock.now,
        "b",
    )


def test_the_events_of_a_proxy_name_its_concrete_model(clock):
    with capture_events() as events:
        proxy = NoteProxy.objects.create()
        proxy.save()
    assert {event.entity_type for event in events} == {"testapp.note"}


def test_a_model_down_an_abstract_chain_is_stamped(clock):
    chained = Chained.objects.create()
    clock.tick()
    chained.save()
    assert (row(chained).created_at, row(chained).updated_at) == (clock.now - SECOND, clock.now)


def test_a_model_that_asks_first_is_stamped_and_a_lost_row_is_inserted_again(clock):
    entity = Asking.objects.create()
    clock.tick()
    entity.save()
    assert row(entity).updated_at == clock.now
    Asking.objects.all().delete()
    clock.tick()
    entity.save()
    assert row(entity).created_at == clock.now


def test_an_expression_is_written_by_the_database(clock):
    note = Note.objects.create(amount=2)
    stale = row(note)
    clock.tick()
    note.amount = F("amount") + 1
    note.save()
    assert (row(note).amount, row(note).updated_at) == (3, clock.now)
    if django.VERSION >= (6, 0):
        note.refresh_from_db()
    clock.tick(-30)
    stale.amount = F("amount") + 10
    stale.save()
    assert row(note).amount == 13


# Refreshing.


def test_refreshed_stamps_are_loaded_not_given(clock):
    note = Note.objects.create()
    other = row(note)
    clock.tick()
    other.save()
    note.refresh_from_db()
    assert note.updated_at == clock.now
    clock.tick()
    note.save()
    assert row(note).updated_at == clock.now


def test_a_refresh_takes_back_a_given_stamp(clock):
    note = Note.objects.create()
    note.created_at = note.updated_at = clock.now - SECOND
    note.refresh_from_db(fields=(name for name in ("created_at", "updated_at")))
    clock.tick()
    note.save()
    assert (row(note).created_at, row(note).updated_at) == (clock.now - SECOND, clock.now)


def test_a_refresh_of_other_fields_leaves_a_given_stamp(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.updated_at = clock.now - SECOND
    note.refresh_from_db(None, ["title"], Note.objects.all())
    note.save()
    assert row(note).updated_at == clock.now - SECOND


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


# Receivers of pre_save.


@pytest.fixture
def before_save():
    """Connect a receiver of ``pre_save`` for the test."""
    connected = []

    def connect(receiver, sender=Note):
        models.signals.pre_save.connect(receiver, sender=sender)
        connected.append((receiver, sender))

    yield connect
    for receiver, sender in connected:
        models.signals.pre_save.disconnect(receiver, sender=sender)


def test_stamps_stand_on_the_instance_for_receivers_of_pre_save(before_save, clock):
    seen = []
    before_save(lambda instance, **_: seen.append((instance.created_at, instance.updated_at)))
    Note.objects.create()
    assert seen == [(clock.now, clock.now)]


def test_updated_at_set_by_a_receiver_of_pre_save_comes_too_late(before_save, clock):
    def receive(instance, **_):
        instance.updated_at = datetime(2001, 1, 1, tzinfo=UTC)
        instance.title = "received"

    before_save(receive)
    note = Note.objects.create()
    clock.tick()
    note.save()
    assert note.updated_at == row(note).updated_at == clock.now
    assert row(note).title == "received"


def test_created_at_set_by_a_receiver_of_pre_save_is_refused(before_save, clock):
    note = Note.objects.create()

    def receive(instance, **_):
        instance.created_at = datetime(2001, 1, 1, tzinfo=UTC)

    before_save(receive)
    with pytest.raises(ValueError, match="cannot become 2001-01-01"), transaction.atomic():
        note.save()
    with override_settings(CLEAN_TIMESTAMPS={"CREATED_AT_POLICY": "ignore"}):
        note.save()
    assert note.created_at == row(note).created_at == clock.now
    Note().save()
    assert Note.objects.latest("pk").created_at > datetime(2020, 1, 1, tzinfo=UTC)


def test_a_touch_by_a_receiver_of_pre_save_is_not_moved_back(before_save, clock):
    note = Note.objects.create()
    before_save(lambda instance, **_: instance.touch())
    clock.tick()
    note.save()
    assert note.updated_at == row(note).updated_at == clock.now + TICK


def test_a_save_by_a_receiver_of_post_save_is_a_second_write(clock):
    def receive(instance, created, **_):
        if created:
            instance.title = "again"
            instance.save(update_fields=["title"])

    models.signals.post_save.connect(receiver=receive, sender=Note)
    try:
        with capture_events() as events:
            note = Note.objects.create()
    finally:
        models.signals.post_save.disconnect(receiver=receive, sender=Note)
    assert note.updated_at == row(note).updated_at == clock.now + TICK
    assert [event.event_type for event in events] == ["timestamp_created", "timestamp_updated"]


def test_the_class_has_no_save_of_its_own_so_that_djangos_checks_come_first():
    assert BaseTimestampEntity.save is models.Model.save
    assert BaseTimestampEntity.save_base.alters_data
    assert issubclass(Note.DoesNotExist, ObjectDoesNotExist)


def test_a_base_that_passes_our_save_by_still_fills_the_stamps():
    note = Note()
    models.Model.save_base(note)
    assert note.created_at == note.updated_at
    assert Note.objects.get(pk=note.pk).created_at == note.created_at
