from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Upper

from django_clean_timestamps.context import preserve_timestamps, stamped_at, timestamp_context, without_events
from django_clean_timestamps.exceptions import ImmutableTimestampError, InvalidTimestampError
from django_clean_timestamps.signals import timestamp_updated
from django_clean_timestamps.testing import capture_events
from tests.stamping.audience import named
from tests.testapp.models import Animal, Note, Product, Project, Puppy, Seat, Tag, Task, Token

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TICK = timedelta(microseconds=1)
EARLIER = datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)


def notes(count=2):
    return [Note.objects.create(title=f"n{index}", amount=index) for index in range(count)]


def rows():
    return list(Note.objects.order_by("pk"))


def state(entity):
    return {**entity.__dict__, "_state": (entity._state.adding, entity._state.db)}


def test_the_instances_get_the_stamp_of_their_rows(clock, audience):
    first, second = notes()
    now = clock.tick()
    first.amount, second.amount = 10, 20
    with audience.listening() as heard:
        assert Note.objects.bulk_update([first, second], ["amount"]) == 2
    assert [(row.amount, row.updated_at) for row in rows()] == [(10, now), (20, now)]
    assert (first.updated_at, second.updated_at) == (now, now)
    heard.are(f"updated note {first.pk}", f"updated note {second.pk}")
    heard.agree_with(rows())


def test_all_batches_share_one_reading(audience, settings):
    entities = notes(5)
    with audience.listening() as heard:
        assert Note.objects.bulk_update(iter(entities), ["amount"], batch_size=2) == 5
    assert len({entity.updated_at for entity in entities}) == 1
    assert {row.updated_at for row in rows()} == {entities[0].updated_at}
    heard.agree_with(rows())


def test_it_takes_as_many_statements_as_batches(queries, without_log):
    entities = notes(5)
    with queries() as statements:
        Note.objects.bulk_update(entities, ["amount"], batch_size=2)
    assert [text.split()[0] for text in statements.texts] == ["UPDATE"] * 3


def test_rows_strictly_increase_when_the_clock_goes_back(clock, audience):
    first, second = notes()
    clock.tick(-3600)
    with audience.listening() as heard:
        Note.objects.bulk_update([first, second], ["amount"])
    assert [row.updated_at for row in rows()] == [first.created_at + TICK] * 2
    assert first.updated_at == first.created_at + TICK
    heard.agree_with(rows())


def test_a_row_that_was_stamped_meanwhile_is_not_put_back(clock, audience):
    (note,) = notes(1)
    later = clock.tick(60)
    Note.objects.update(amount=4)
    clock.tick(-50)
    for fields in (["title"], ["title", "updated_at"]):
        with audience.listening() as heard:
            Note.objects.bulk_update([note], fields)
        heard.agree_with(rows())
    assert rows()[0].updated_at == later + 2 * TICK


def test_abulk_update_stamps(clock, audience):
    entities = notes()
    now = clock.tick()
    with audience.listening() as heard:
        assert async_to_sync(Note.objects.all().abulk_update)(entities, ["amount"]) == 2
    assert {row.updated_at for row in rows()} == {now}
    assert len(heard) == 2 * heard.is_told


def test_f_values_are_computed_by_the_database(clock, audience):
    (note,) = notes(1)
    note.amount, note.title = F("amount") + 5, Upper("title")
    with audience.listening() as heard:
        Note.objects.bulk_update([note], ["amount", "title"])
    assert [(row.amount, row.title) for row in rows()] == [(5, "N0")]
    heard.are(f"updated note {note.pk}")


def test_a_row_that_is_gone_raises_no_event(clock, audience):
    first, second = notes()
    Note.objects.filter(pk=first.pk).delete()
    with audience.listening() as heard:
        assert Note.objects.bulk_update([first, second], ["amount"]) == 1
    heard.are(f"updated note {second.pk}")


# Given times.


def test_a_given_updated_at_is_written_exactly_beside_one_from_the_clock(clock, audience):
    first, second = notes()
    now = clock.tick(60)
    first.updated_at = given = first.created_at + timedelta(seconds=1)
    with audience.listening() as heard:
        Note.objects.bulk_update([first, second], ["updated_at"])
    assert [row.updated_at for row in rows()] == [given, now]
    assert (first.updated_at, second.updated_at) == (given, now)
    heard.agree_with(rows())
    assert [event.old_timestamp for event in heard] == [first.created_at, second.created_at] * heard.is_told


def test_an_updated_at_that_is_not_among_the_fields_is_replaced(clock, audience):
    (note,) = notes(1)
    note.updated_at = note.created_at + timedelta(seconds=1)
    now = clock.tick(60)
    with audience.listening():
        Note.objects.bulk_update([note], ["amount"])
    assert rows()[0].updated_at == note.updated_at == now


@pytest.mark.parametrize("given", [datetime(2025, 1, 1), "soon", datetime(2026, 1, 2, tzinfo=UTC), EARLIER], ids=repr)
def test_a_bad_updated_at_is_refused_before_anything_is_written(clock, audience, queries, given):
    first, second = notes()
    second.updated_at = given
    before = state(first), state(second)
    with transaction.atomic():
        with audience.listening() as heard, queries() as statements, pytest.raises(InvalidTimestampError):
            Note.objects.bulk_update([first, second], ["updated_at"])
        assert statements.texts == []
        assert Note.objects.count() == 2
    assert (state(first), state(second)) == before
    heard.are()


def test_stamped_at_is_written_exactly(clock, audience):
    entities = notes()
    moment = clock.now + TICK
    clock.tick(60)
    with audience.listening() as heard, stamped_at(moment):
        Note.objects.bulk_update(entities, ["amount"])
        Note.objects.bulk_update(entities, ["amount", "updated_at"])
    assert {row.updated_at for row in rows()} == {moment} == {entity.updated_at for entity in entities}
    heard.agree_with(rows())


def test_preserve_timestamps_takes_nothing_from_the_clock(clock, audience):
    first, second = notes()
    Note.objects.filter(pk=second.pk).update(title="newer")
    stored = rows()[1].updated_at
    first.updated_at = given = first.created_at + timedelta(seconds=5)
    clock.tick(60)
    with audience.listening() as heard, preserve_timestamps():
        Note.objects.bulk_update([first, second], ["amount"])
        assert [row.updated_at for row in rows()] == [first.created_at, stored]
        Note.objects.bulk_update([first, second], ["updated_at"])
    assert [row.updated_at for row in rows()] == [given, stored]
    assert second.updated_at == second.created_at
    assert len(heard) == 4 * heard.is_told


# created_at.


def test_another_created_at_is_refused_and_everything_is_as_it_was(clock, audience, queries):
    first, second = notes()
    second.created_at = EARLIER
    before = state(first), state(second)
    with audience.listening() as heard, queries() as statements:
        with pytest.raises(ImmutableTimestampError, match=rf"testapp.Note {second.pk}: .* 2026-01-01 .* 2025-06-01"):
            Note.objects.bulk_update([first, second], ["amount", "created_at"])
    assert statements.texts == []
    assert (state(first), state(second)) == before
    heard.are()


def test_an_unchanged_created_at_is_left_out(clock, audience, queries):
    first, second = notes()
    now = clock.tick()
    second.created_at = datetime.fromtimestamp(second.created_at.timestamp(), UTC)
    with audience.listening(), queries() as statements:
        Note.objects.bulk_update([first, second], ["amount", "created_at"])
    assert not [text for text in statements.starting("UPDATE") if "created_at" in text.partition("WHERE")[0]]
    assert {row.updated_at for row in rows()} == {now}


def test_an_unchanged_created_at_alone_is_an_update_of_the_stamp(clock, audience):
    (note,) = notes(1)
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.bulk_update([note], ["created_at"]) == 1
    assert rows()[0].updated_at == note.updated_at == now
    heard.are(f"updated note {note.pk}")


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_a_milder_policy_leaves_created_at_out(clock, audience, settings, policy, recwarn):
    (note,) = notes(1)
    stored = note.created_at
    settings.CLEAN_TIMESTAMPS = {**settings.CLEAN_TIMESTAMPS, "CREATED_AT_POLICY": policy}
    note.created_at, note.amount = EARLIER, 7
    with audience.listening() as heard:
        if policy == "warn":
            with pytest.warns(RuntimeWarning, match="created_at"):
                Note.objects.bulk_update([note], ["amount", "created_at"])
        else:
            Note.objects.bulk_update([note], ["amount", "created_at"])
    assert [(row.amount, row.created_at) for row in rows()] == [(7, stored)]
    assert note.created_at == stored
    heard.are(f"updated note {note.pk}")
    assert not recwarn.list


def test_a_created_at_that_was_never_loaded_is_refused(clock, audience):
    (note,) = notes(1)
    unloaded = Note(pk=note.pk, created_at=EARLIER)
    with audience.listening() as heard, pytest.raises(ImmutableTimestampError, match="inserted with"):
        Note.objects.bulk_update([unloaded], ["created_at"])
    heard.are()


def test_preserve_timestamps_corrects_created_at(clock, audience):
    (note,) = notes(1)
    note.created_at = EARLIER
    with audience.listening() as heard, preserve_timestamps(Note):
        Note.objects.bulk_update([note], ["created_at"])
    assert [(row.created_at, row.updated_at) for row in rows()] == [(EARLIER, note.updated_at)]
    heard.are(f"updated note {note.pk}")
    note.amount = 3
    note.save()


@pytest.mark.parametrize("given", [datetime(2025, 1, 1), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)], ids=repr)
def test_preserve_timestamps_refuses_a_bad_created_at(clock, audience, given):
    (note,) = notes(1)
    note.created_at = given
    with audience.listening() as heard, preserve_timestamps(), pytest.raises(InvalidTimestampError):
        Note.objects.bulk_update([note], ["created_at"])
    heard.are()


def test_a_created_at_in_memory_alone_is_still_an_attempt_afterwards(clock):
    (note,) = notes(1)
    note.created_at = EARLIER
    Note.objects.bulk_update([note], ["amount"])
    with pytest.raises(ImmutableTimestampError):
        note.save()


# Failures.


def test_what_django_refuses_is_refused_before_a_block_is_open(audience):
    (note,) = notes(1)
    with transaction.atomic():
        for objs, fields, options, error in (
            ([note], ["nothing"], {}, FieldDoesNotExist),
            ([note], [], {}, ValueError),
            ([note], ["id"], {}, ValueError),
            ([note], ["amount"], {"batch_size": -1}, ValueError),
            ([note, Note()], ["amount"], {}, ValueError),
        ):
            with audience.listening() as heard, pytest.raises(error):
                Note.objects.bulk_update(objs, fields, **options)
            heard.are()
        assert Note.objects.bulk_update([], ["amount"]) == 0
        assert Note.objects.count() == 1


def test_the_instances_are_as_before_when_the_database_refuses(clock, audience):
    first, second = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    first.name = second.name = "same"
    before = state(first), state(second)
    clock.tick()
    with audience.listening() as heard, pytest.raises(IntegrityError), transaction.atomic():
        Tag.objects.bulk_update([first, second], ["name"])
    assert (state(first), state(second)) == before
    heard.are()


def test_the_instances_are_as_before_when_a_receiver_refuses(clock):
    first, second = notes()
    before = state(first), state(second)
    clock.tick()

    def refuse(event, **_):
        if event.entity_id == str(second.pk):
            raise RuntimeError("no")

    timestamp_updated.connect(refuse)
    try:
        with capture_events() as events, pytest.raises(RuntimeError, match="no"), transaction.atomic():
            Note.objects.bulk_update([first, second], ["amount", "updated_at"], batch_size=1)
    finally:
        timestamp_updated.disconnect(refuse)
    assert (state(first), state(second)) == before
    assert events == []
    assert [row.updated_at for row in rows()] == [first.created_at] * 2


# Kinds of models.


def test_a_childs_own_fields_bump_the_parents_rows(clock, audience):
    puppies = [Puppy.objects.create(name="a"), Puppy.objects.create(name="b")]
    now = clock.tick()
    for puppy in puppies:
        puppy.weeks = 9
    with audience.listening() as heard:
        assert Puppy.objects.bulk_update(puppies, ["weeks"]) == 2
    assert {animal.updated_at for animal in Animal.objects.all()} == {now}
    heard.are(*[f"updated puppy {puppy.pk}" for puppy in puppies])


def test_fields_of_all_tables_are_one_event_for_each_row(clock, audience):
    puppy = Puppy.objects.create(name="a", breed="pug")
    puppy.name, puppy.breed, puppy.weeks = "b", "mops", 3
    puppy.updated_at = given = clock.now + TICK
    with audience.listening() as heard:
        assert Puppy.objects.bulk_update([puppy], ["weeks", "breed", "name", "updated_at"]) == 1
    stored = Puppy.objects.get()
    assert (stored.name, stored.breed, stored.weeks, stored.updated_at) == ("b", "mops", 3, given)
    heard.are(f"updated puppy {puppy.pk}")


def test_composite_uuid_and_own_identities(clock, audience):
    seat, token = Seat.objects.create(row=1, number=2), Token.objects.create()
    product = Product.objects.create(sku="A")
    with audience.listening() as heard:
        Seat.objects.bulk_update([seat], ["guest"])
        Token.objects.bulk_update([token], ["label"])
        Product.objects.bulk_update([product], ["price"])
    heard.are("updated seat (1, 2)", f"updated token {token.id}", "updated product sku-A")


def test_a_second_database(clock, audience):
    note = Note.objects.using("other").create()
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.using("other").bulk_update([note], ["amount"]) == 1
    assert Note.objects.using("other").get().updated_at == now
    heard.are(f"updated note {note.pk}")


def test_the_events_carry_the_context(clock, audience):
    (note,) = notes(1)
    with audience.listening() as heard, timestamp_context(reason="import", actor="7"):
        Note.objects.bulk_update([note], ["amount"])
    assert [(event.reason, event.actor) for event in heard] == [("import", "7")] * heard.is_told


def test_without_events_it_is_silent(clock, audience):
    (note,) = notes(1)
    now = clock.tick()
    with audience.listening() as heard, without_events():
        Note.objects.bulk_update([note], ["amount"])
    assert rows()[0].updated_at == note.updated_at == now
    heard.are()


def test_a_parent_that_was_not_written_stays_the_old_one(clock):
    old, new = Project.objects.create(name="old"), Project.objects.create(name="new")
    task = Task.objects.create(project=old)
    task.project = new
    Task.objects.bulk_update([task], ["title"])
    with capture_events() as events:
        Task.objects.bulk_update([task], ["project"])
    assert {named(event) for event in events} == {
        f"updated task {task.pk}",
        f"updated project {old.pk}",
        f"updated project {new.pk}",
    }


def test_a_parent_that_was_not_written_is_not_taken_for_the_old_one_by_a_save(clock):
    old, new = Project.objects.create(name="old"), Project.objects.create(name="new")
    task = Task.objects.create(project=old)
    task.project = new
    Task.objects.bulk_update([task], ["title"])
    with capture_events() as events:
        task.save()
    assert f"updated project {old.pk}" in map(named, events)
    Task.objects.bulk_update([task], ["project"])
    task.project = old
    with capture_events() as events:
        task.save()
    assert f"updated project {new.pk}" in map(named, events)


def test_instances_made_by_hand_do_not_move_created_at():
    note = Note.objects.create(title="a")
    assert Note.objects.bulk_update([Note(pk=note.pk, title="b")], ["title", "created_at"]) == 1
    stored = Note.objects.get()
    assert (stored.title, stored.created_at) == ("b", note.created_at)
