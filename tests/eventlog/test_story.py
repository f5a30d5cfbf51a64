from uuid import UUID

import pytest
from django.db import connections, transaction

from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.story import (
    PENDING_WINDOW,
    entity_events,
    entity_labels,
    entity_story,
    labels_of_entity,
    newest_pending,
    reading_log,
)
from django_clean_timestamps.exceptions import EventLogMissingError
from django_clean_timestamps.testing import drain_all
from tests.eventlog.log import add_pending, dropped, statements
from tests.testapp.models import Animal, Dog, Note, Project

ANIMALS = ("testapp.animal", "testapp.dog", "testapp.guard", "testapp.puppy")


def positions(events):
    return [event.position for event in events]


def story(entity_id, *, labels=("testapp.note",), using="default", limit=20):
    return entity_story(labels, entity_id, using=using, limit=limit)


# Which types are one entity.


@pytest.mark.parametrize("label", ANIMALS)
def test_a_multi_table_tree_is_one_entity(label):
    assert labels_of_entity(label) == ANIMALS


def test_a_model_by_itself_is_its_only_type():
    assert labels_of_entity("testapp.note") == ("testapp.note",)


@pytest.mark.parametrize("label", ["gone.model", "no label", ""])
def test_a_model_that_is_gone_stands_alone(label):
    assert labels_of_entity(label) == (label,)


def test_a_child_of_a_model_that_is_no_entity_stands_alone():
    assert labels_of_entity("testapp.crate") == ("testapp.crate",)


def test_the_types_are_those_of_concrete_entities():
    assert {"testapp.note", "testapp.dog", "otherapp.remote"} <= set(entity_labels())
    assert not {"testapp.noteproxy", "testapp.box"} & set(entity_labels())


# The story.


@pytest.mark.django_db
def test_a_story_is_that_of_one_entity_newest_first():
    note = Note.objects.create()
    Note.objects.create()
    note.touch("looked at")
    drain_all()
    assert [event.reason for event in story(str(note.pk))] == ["looked at", "entity_created"]


@pytest.mark.django_db
def test_what_is_pending_comes_first():
    note = Note.objects.create()
    drain_all()
    note.touch("looked at")
    Note.objects.create()
    first, second = story(str(note.pk))
    assert (type(first), first.reason) == (Pending, "looked at")
    assert (type(second), second.reason) == (Event, "entity_created")


@pytest.mark.django_db
def test_a_story_is_limited_to_the_newest():
    note = Note.objects.create()
    for number in range(3):
        note.touch(f"placed {number}")
    drain_all()
    for number in range(3):
        note.touch(f"pending {number}")
    reasons = [event.reason for event in story(str(note.pk), limit=4)]
    assert reasons == ["pending 2", "pending 1", "pending 0", "placed 2"]
    assert [event.reason for event in story(str(note.pk), limit=2)] == ["pending 2", "pending 1"]


@pytest.mark.django_db
def test_an_event_that_was_moved_between_the_two_reads_stands_there_once():
    note = Note.objects.create()
    (pending,) = Pending.objects.all()
    values = {field.name: getattr(pending, field.name) for field in Event._meta.fields if field.name != "position"}
    Event.objects.create(position=7, **values)
    assert positions(story(str(note.pk))) == [7]


@pytest.mark.django_db
def test_a_story_spans_the_tables_of_a_tree():
    dog = Dog.objects.create(name="Rex")
    Animal.objects.get(pk=dog.pk).touch("as an animal")
    drain_all()
    found = story(str(dog.pk), labels=labels_of_entity("testapp.dog"))
    assert [(event.entity_type, event.reason) for event in found] == [
        ("testapp.animal", "as an animal"),
        ("testapp.dog", "entity_created"),
    ]


@pytest.mark.django_db
def test_a_story_costs_two_statements_whatever_the_tree():
    with statements() as found:
        assert story("1", labels=ANIMALS) == []
    assert len(found) == 2
    assert not [sql for sql in found if "COUNT" in sql or "OFFSET" in sql]


@pytest.mark.django_db(databases=["default", "other"])
def test_a_story_is_that_of_its_database():
    note = Note(title="there")
    note.save(using="other")
    assert story(str(note.pk)) == []
    drain_all("other")
    assert len(story(str(note.pk), using="other")) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("entity_id", ["a/b", "a:b", "a'b\"c", "50%", "日本", "<b>", " a", ""])
def test_odd_ids_are_found_as_they_are(entity_id):
    add_pending(1, entity_id=entity_id)
    drain_all()
    add_pending(1, entity_id=entity_id, event_id=UUID(int=9))
    add_pending(1, entity_id="another", event_id=UUID(int=8))
    assert [event.entity_id for event in story(entity_id)] == [entity_id, entity_id]


# Its events that have a position.


@pytest.mark.django_db
def test_the_oldest_can_come_first():
    add_pending(1)
    add_pending(2, entity_id="1")
    drain_all()
    first, *others = positions(entity_events(Event.objects.all(), ["testapp.note"], "1", limit=9))[::-1]
    oldest_first = entity_events(Event.objects.all(), ["testapp.note"], "1", limit=2, oldest_first=True)
    assert positions(oldest_first) == [first, others[0]]


@pytest.mark.django_db
def test_only_the_positions_asked_for_are_considered():
    add_pending(5, entity_id="1")
    drain_all()
    every = positions(Event.objects.order_by("position"))
    before = Event.objects.filter(position__lt=every[3])
    assert positions(entity_events(before, ["testapp.note", "testapp.task"], "1", limit=2)) == [every[2], every[1]]


@pytest.mark.django_db
def test_without_types_there_are_no_events():
    add_pending(1)
    drain_all()
    with statements() as found:
        assert entity_events(Event.objects.all(), [], "1", limit=2) == []
    assert found == []


def plan(sql, vendor):
    with connections["default"].cursor() as cursor:
        if vendor == "postgresql":
            # A table of a few pages is always read whole otherwise.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(("EXPLAIN QUERY PLAN " if vendor == "sqlite" else "EXPLAIN ") + sql)
        return str(cursor.fetchall())


@pytest.mark.django_db
def test_the_index_by_entity_leads_to_each_part_of_a_tree(vendor):
    Note.objects.bulk_create([Note() for _ in range(300)])
    add_pending(3, entity_type="testapp.dog", entity_id="1")
    drain_all()
    with statements() as found:
        entity_events(Event.objects.all(), ANIMALS, "1", limit=2)
    assert plan(found[0], vendor).count("clean_timestamps_event_entity") >= len(ANIMALS)


# What is pending.


@pytest.mark.django_db
def test_pending_events_are_chosen_by_type():
    Note.objects.create()
    Project.objects.create()
    assert [row.entity_type for row in newest_pending("default")] == ["testapp.project", "testapp.note"]
    assert [row.entity_type for row in newest_pending("default", ["testapp.note"])] == ["testapp.note"]
    assert list(newest_pending("default", [])) == []


@pytest.mark.django_db
def test_no_more_than_a_window_of_what_is_pending_is_looked_through():
    Pending.objects.create(id=1, entity_type="testapp.note")
    Pending.objects.create(id=2, entity_type="testapp.note")
    Pending.objects.create(id=PENDING_WINDOW + 1, entity_type="testapp.note")
    assert [row.id for row in newest_pending("default")] == [PENDING_WINDOW + 1, 2]


# Where there are no tables.


@pytest.mark.parametrize("model", [Pending, Event])
def test_a_missing_table_is_named_and_leaves_the_transaction_usable(committing, model):
    with dropped(model, LogHead):
        with transaction.atomic():
            with pytest.raises(EventLogMissingError, match="'default'"), reading_log("default"):
                story("1")
            assert Note.objects.count() == 0
        with pytest.raises(EventLogMissingError, match="'default'"), reading_log("default"):
            story("1")


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_reading_opens_none():
    with statements() as found, reading_log("default"):
        assert not connections["default"].in_atomic_block
        story("1")
    assert len(found) == 2
