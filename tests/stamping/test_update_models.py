"""``update()`` of each kind of model, in each context and through managers of relations."""

import uuid

import pytest
from django.db import IntegrityError, transaction

from django_clean_timestamps.context import (
    no_touching,
    timestamp_context,
    without_events,
)
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.signals import timestamp_updated
from tests.otherapp.models import Remote
from tests.stamping.rows import TICK, notes, stamps
from tests.testapp.models import (
    Animal,
    Category,
    Comment,
    Dog,
    Note,
    NoteProxy,
    Product,
    Project,
    Puppy,
    Seat,
    Tag,
    Tagging,
    Task,
    Token,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_a_childs_own_fields_bump_the_parents_row(clock, audience):
    puppy = Puppy.objects.create(name="Rex", breed="pug", weeks=1)
    other = Animal.objects.create(name="cat")
    now = clock.tick()
    with audience.listening() as heard:
        assert Puppy.objects.update(weeks=2) == 1
    heard.are(f"updated puppy {puppy.pk}")
    assert Animal.objects.get(pk=puppy.pk).updated_at == now
    assert Animal.objects.get(pk=other.pk).updated_at == other.updated_at


def test_the_fields_of_all_tables_are_written_with_one_event_under_the_class_written_through(clock, audience):
    puppy = Puppy.objects.create(name="Rex", breed="pug", weeks=1)
    now = clock.tick()
    with audience.listening() as heard:
        assert Puppy.objects.filter(name="Rex", weeks=1).update(name="Max", breed="mops", weeks=2) == 1
        assert Dog.objects.filter(name="Max").update(breed="pug") == 1
        assert Animal.objects.filter(name="Max").update(name="Moritz") == 1
    puppy.refresh_from_db()
    assert (puppy.name, puppy.breed, puppy.weeks, puppy.updated_at) == ("Moritz", "pug", 2, now + 2 * TICK)
    heard.are(f"updated puppy {puppy.pk}", f"updated dog {puppy.pk}", f"updated animal {puppy.pk}")
    assert [e.old_timestamp for e in heard] == [puppy.created_at, now, now + TICK] * heard.is_told


def test_a_proxys_rows_are_its_models(clock, audience):
    (note,) = notes("a")
    now = clock.tick()
    with audience.listening() as heard:
        NoteProxy.objects.update(amount=1)
    assert stamps() == [now]
    heard.are(f"updated note {note.pk}")


def test_composite_keys(clock, audience):
    Seat.objects.create(row=1, number=2)
    Seat.objects.create(row=2, number=1)
    now = clock.tick()
    with audience.listening() as heard:
        assert Seat.objects.filter(row=1).update(guest="Ann") == 1
    assert Seat.objects.get(pk=(1, 2)).updated_at == now
    heard.are("updated seat (1, 2)")


def test_uuid_keys(clock, audience):
    token = Token.objects.create(id=uuid.UUID(int=5))
    with audience.listening() as heard:
        Token.objects.update(label="x")
    heard.are(f"updated token {token.id}")


def test_identities_of_the_classs_own(clock, audience):
    Product.objects.create(sku="A")
    Product.objects.create(sku="B")
    with audience.listening() as heard:
        Product.objects.filter(price=0).update(price=5)
    heard.are("updated product sku-A", "updated product sku-B")


def test_a_second_database_by_its_router(clock, audience):
    remote = Remote.objects.create(name="a")
    now = clock.tick()
    with audience.listening() as heard:
        Remote.objects.update(name="b")
    assert Remote.objects.get().updated_at == now
    heard.are(f"updated remote {remote.pk}")


def test_a_second_database_by_using(clock, audience):
    here, there = Note.objects.create(title="here"), Note.objects.using("other").create(title="there")
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.using("other").update(amount=1) == 1
    assert Note.objects.using("other").get().updated_at == now
    assert Note.objects.get().updated_at == here.updated_at
    heard.are(f"updated note {there.pk}")


class ReadElsewhere:
    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"


def test_an_update_goes_where_the_router_sends_writes(clock, audience, settings):
    note = Note.objects.using("default").create(title="a")
    settings.DATABASE_ROUTERS = ["tests.stamping.test_update_models.ReadElsewhere"]
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.update(amount=1) == 1
        assert Note.objects.update(amount=2, updated_at=now) == 1
    assert Note.objects.using("default").get().updated_at == now
    heard.are(*[f"updated note {note.pk}"] * 2)


# Contexts.


def test_the_events_carry_the_context(clock, audience):
    notes("a")
    with audience.listening() as heard:
        with timestamp_context(reason="import", actor="7", correlation_id="c1", batch=3):
            Note.objects.update(amount=1)
    for event in heard:
        assert (event.reason, event.actor, event.correlation_id, event.metadata) == ("import", "7", "c1", {"batch": 3})


def test_a_reason_that_does_not_fit_is_refused(audience):
    notes("a")
    with audience.listening() as heard, timestamp_context(reason="x" * 201), pytest.raises(InvalidTimestampError):
        Note.objects.update(amount=1)
    assert Note.objects.get().amount == 0
    heard.are()


def test_without_events_stamps_and_is_silent(clock, audience, queries):
    notes("a")
    now = clock.tick()
    with audience.listening() as heard, without_events(Note), queries() as statements:
        Note.objects.update(amount=1)
    assert stamps() == [now]
    assert len(statements.texts) == 1
    heard.are()


def test_no_touching_leaves_updates_alone(clock, audience):
    (note,) = notes("a")
    now = clock.tick()
    with audience.listening() as heard, no_touching():
        Note.objects.update(amount=1)
    assert stamps() == [now]
    heard.are(f"updated note {note.pk}")


def test_the_setting_events_silences_the_log_alone(clock, audience, settings):
    (note,) = notes("a")
    settings.CLEAN_TIMESTAMPS = {**settings.CLEAN_TIMESTAMPS, "EVENTS": False}
    with audience.listening() as heard:
        Note.objects.update(amount=1)
    if audience.kind == "logged":
        heard.are()
    else:
        heard.are(f"updated note {note.pk}")


def test_an_update_that_the_database_refuses_raises_no_event(audience):
    Tag.objects.create(name="a")
    Tag.objects.create(name="b")
    with audience.listening() as heard:
        with pytest.raises(IntegrityError), transaction.atomic():
            Tag.objects.update(name="same")
    assert list(Tag.objects.order_by("name").values_list("name", flat=True)) == ["a", "b"]
    heard.are()


def test_an_update_that_a_receiver_refuses_is_undone():
    (note,) = notes("a")

    def refuse(**_):
        raise RuntimeError("no")

    timestamp_updated.connect(refuse, sender=Note)
    try:
        with pytest.raises(RuntimeError, match="no"), transaction.atomic():
            Note.objects.update(amount=1)
    finally:
        timestamp_updated.disconnect(refuse, sender=Note)
    row = Note.objects.get()
    assert (row.amount, row.updated_at) == (0, note.updated_at)


# Through managers of relations.


def test_a_related_managers_update_stamps(clock, audience):
    task = Task.objects.create(project=Project.objects.create())
    Comment.objects.create(task=task)
    now = clock.tick()
    with audience.listening() as heard:
        task.comments.update(text="x")
    assert task.comments.get().updated_at == now
    assert heard.names[:1] == [f"updated comment {task.comments.get().pk}"] * heard.is_told


def test_a_through_models_update_stamps(clock, audience):
    tagging = Tagging.objects.create(task=Task.objects.create(), tag=Tag.objects.create(name="a"))
    now = clock.tick()
    tag = Tag.objects.create(name="b")
    with audience.listening() as heard:
        Tagging.objects.filter(tag__name="a").update(tag=tag)
    assert Tagging.objects.get().updated_at == now
    assert [name for name in heard.names if "tagging" in name] == [f"updated tagging {tagging.pk}"] * heard.is_told


def test_a_foreign_key_to_itself_can_be_updated(clock, audience):
    root = Category.objects.create(name="root")
    leaf = Category.objects.create(name="leaf")
    with audience.listening() as heard:
        assert Category.objects.filter(name="leaf").update(parent=root) == 1
    assert heard.names[:1] == [f"updated category {leaf.pk}"] * heard.is_told
