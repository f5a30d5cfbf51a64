from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.apps.registry import Apps
from django.db import NotSupportedError, transaction
from django.db.models import ProtectedError
from django.db.models.deletion import Collector
from django.db.models.signals import post_delete, pre_delete

from django_clean_timestamps import wiring
from django_clean_timestamps.context import stamped_at, timestamp_context, without_events
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.signals import timestamp_deleted
from django_clean_timestamps.stamping import deletion
from django_clean_timestamps.testing import capture_events
from tests.conftest import stop_hearing
from tests.stamping.audience import named
from tests.testapp.models import (
    Animal,
    Attachment,
    Box,
    Comment,
    Country,
    Dog,
    Embassy,
    Note,
    NoteProxy,
    Product,
    Project,
    Puppy,
    Reply,
    Seat,
    Sticker,
    Task,
    Ticket,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def state(entity):
    return {**entity.__dict__, "_state": (entity._state.adding, entity._state.db)}


# Fast.


def test_a_fast_delete_of_an_instance_is_recorded(clock):
    note = Note.objects.create(title="a")
    key, now = note.pk, clock.tick()
    with capture_events() as events:
        assert note.delete() == (1, {"testapp.Note": 1})
    (event,) = events
    assert (event.event_type, event.entity_type, event.entity_id) == ("timestamp_deleted", "testapp.note", str(key))
    assert (event.occurred_at, event.reason) == (now, "entity_deleted")
    assert note.pk is None
    assert not Note.objects.exists()


def test_a_fast_delete_of_a_queryset_is_recorded(clock, audience):
    notes = [Note.objects.create(title=title) for title in "abc"]
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.exclude(title="c").delete() == (2, {"testapp.Note": 2})
    heard.are_in_any_order([f"deleted note {notes[0].pk}", f"deleted note {notes[1].pk}"])
    assert {event.occurred_at for event in heard} == ({now} if heard.is_told else set())
    assert Note.objects.get().title == "c"


def test_a_fast_delete_is_one_statement_when_nobody_listens(queries, without_log):
    Note.objects.bulk_create([Note(), Note()])
    with queries() as statements:
        Note.objects.all().delete()
    assert [text.split()[0] for text in statements.texts] == ["DELETE"]
    note = Note.objects.create()
    with queries() as statements:
        note.delete()
    assert [text.split()[0] for text in statements.texts] == ["DELETE"]


def test_a_fast_delete_of_many_rows_is_recorded(audience):
    Product.objects.bulk_create([Product(sku=str(index)) for index in range(2000)])
    with audience.listening() as heard:
        assert Product.objects.order_by("-pk").delete()[0] == 2000
    assert len(set(heard.names)) == len(heard) == 2000 * heard.is_told


def test_adelete_is_recorded(audience):
    note, other = Note.objects.create(), Note.objects.create()
    key, other_key = note.pk, other.pk
    with audience.listening() as heard:
        async_to_sync(Note.objects.filter(pk=key).adelete)()
    heard.are(f"deleted note {key}")
    with capture_events() as events:
        async_to_sync(other.adelete)()
    assert [event.entity_id for event in events] == [str(other_key)]


def test_raw_delete_is_recorded(audience):
    note = Note.objects.create()
    with audience.listening() as heard, transaction.atomic():
        assert Note.objects.all()._raw_delete("default") == 1
    heard.are(f"deleted note {note.pk}")


def test_a_row_that_is_gone_raises_no_event(audience):
    note, task = Note.objects.create(), Task.objects.create()
    for entity in (note, task):
        again = type(entity).objects.get()
        again.delete()
    with capture_events() as events:
        assert note.delete()[0] == task.delete()[0] == 0
    assert events == []
    with audience.listening() as heard:
        assert Note.objects.all().delete()[0] == Task.objects.all().delete()[0] == 0
    heard.are()


def test_joined_and_distinct_querysets_are_recorded_once_a_row(audience):
    project = Project.objects.create(name="p")
    attachment = Attachment.objects.create(project=project)
    with audience.listening() as heard:
        assert Attachment.objects.filter(project__name="p").distinct().delete()[0] == 1
    heard.are(f"deleted attachment {attachment.pk}")


def test_composite_and_own_identities(audience):
    Seat.objects.create(row=1, number=2)
    Product.objects.create(sku="A")
    with audience.listening() as heard:
        Seat.objects.all().delete()
        Product.objects.all().delete()
    heard.are("deleted seat (1, 2)", "deleted product sku-A")


def test_a_proxys_rows_are_its_models(audience):
    note = Note.objects.create()
    with audience.listening() as heard:
        NoteProxy.objects.all().delete()
    heard.are(f"deleted note {note.pk}")


def test_a_second_database(audience):
    note, kept = Note.objects.using("other").create(), Note.objects.create()
    with audience.listening() as heard:
        Note.objects.using("other").all().delete()
    heard.are(f"deleted note {note.pk}")
    assert Note.objects.get() == kept


def test_what_django_refuses_leaves_the_transaction_usable(audience):
    for model in (Note, Task):
        model.objects.create()
        with transaction.atomic():
            rows = model.objects.all()
            for refused, error in (
                (rows[:1], TypeError),
                (rows.values("pk"), TypeError),
                (rows.distinct("pk"), TypeError),
                (rows.union(rows), NotSupportedError),
            ):
                with audience.listening() as heard, pytest.raises(error):
                    refused.delete()
                heard.are()
            assert model.objects.count() == 1


# A project's own receivers.


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
@pytest.mark.parametrize("sender", [Note, None], ids=["per model", "for all"])
def test_a_projects_receiver_hears_and_each_row_is_recorded_once(audience, listener, signal, sender):
    notes = [Note.objects.create() for _ in range(2)]
    told = listener(signal, sender=sender)
    with audience.listening() as heard:
        assert Note.objects.all().delete()[0] == 2
    heard.are_in_any_order([f"deleted note {note.pk}" for note in notes])
    assert len(told) == 2


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_an_instance_is_recorded_once_beside_a_projects_receiver(listener, signal):
    note = Note.objects.create()
    key = note.pk
    listener(signal, sender=Note)
    with capture_events() as events:
        note.delete()
    assert [event.entity_id for event in events] == [str(key)]


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
@pytest.mark.parametrize("sender", [Sticker, None], ids=["per model", "for all"])
def test_a_cascade_beside_a_projects_receiver_is_recorded_once(audience, listener, signal, sender):
    box = Box.objects.create()
    stickers = [Sticker.objects.create(box=box) for _ in range(2)]
    listener(signal, sender=sender)
    with audience.listening() as heard:
        box.delete()
    heard.are_in_any_order([f"deleted sticker {sticker.pk}" for sticker in stickers])


def test_a_receiver_for_a_parent_class_leaves_one_event_a_row(audience, listener):
    puppy = Puppy.objects.create()
    told = listener(post_delete, sender=Animal)
    with audience.listening() as heard:
        Puppy.objects.all().delete()
    heard.are(f"deleted puppy {puppy.pk}")
    assert [sender for sender, _ in told] == [Animal]


# What the event and the touches need is read while the row is there.


def test_a_deferred_instance_is_recorded_and_touches(clock):
    project = Project.objects.create()
    Ticket.objects.create(project=project, code="x")
    now = clock.tick()
    with capture_events() as events:
        Ticket.objects.only("pk").get().delete()
    assert events[0].entity_id == "ticket-x"
    assert Project.objects.get().updated_at == now


def test_a_deferred_queryset_is_recorded_and_touches(clock, audience):
    project = Project.objects.create()
    Ticket.objects.create(project=project, code="x")
    now = clock.tick()
    with audience.listening() as heard:
        Ticket.objects.only("box").delete()
    heard.are("deleted ticket ticket-x", f"updated project {project.pk}")
    assert Project.objects.get().updated_at == now


def test_a_cascade_touches_the_other_parents(clock, audience):
    project, box = Project.objects.create(), Box.objects.create()
    ticket = Ticket.objects.create(project=project, box=box, code="x")
    reply = Reply.objects.create(ticket=ticket)
    now = clock.tick()
    with audience.listening() as heard, transaction.atomic():
        box.delete()
    assert Project.objects.get().updated_at == now
    heard.are_in_any_order([f"deleted reply {reply.pk}", "deleted ticket ticket-x", f"updated project {project.pk}"])


def test_the_rows_own_parent_is_touched_not_one_in_memory(clock):
    project, other = Project.objects.create(name="a"), Project.objects.create(name="b")
    ticket = Ticket.objects.create(project=project, code="x")
    ticket.project = other
    now = clock.tick()
    ticket.delete()
    assert dict(Project.objects.values_list("name", "updated_at")) == {"a": now, "b": other.updated_at}


# Contexts.


def test_the_context_is_carried_by_cascades_too(clock, audience):
    Comment.objects.create(task=Task.objects.create())
    with audience.listening() as heard, timestamp_context(reason="tidy", actor="7", n=1):
        Task.objects.all().delete()
    assert {(event.reason, event.actor, event.metadata["n"]) for event in heard} <= {("tidy", "7", 1)}
    assert len(heard) == 2 * heard.is_told


def test_stamped_at_is_when_it_happened(clock, audience):
    Note.objects.create()
    task = Task.objects.create()
    moment = datetime(2025, 5, 5, tzinfo=UTC)
    with audience.listening() as heard, stamped_at(moment):
        Note.objects.all().delete()
        Task.objects.all().delete()
    assert [event.occurred_at for event in heard] == [moment] * 2 * heard.is_told
    assert task.pk


@pytest.mark.parametrize("model", [Note, Task])
def test_a_bad_context_is_refused_before_anything_is_deleted(clock, audience, queries, model):
    entity = model.objects.create()
    for context in (timestamp_context(reason="x" * 201), stamped_at(clock.now + timedelta(days=1))):
        with audience.listening() as heard, context, queries() as statements:
            with pytest.raises(InvalidTimestampError):
                model.objects.all().delete()
            with pytest.raises(InvalidTimestampError):
                entity.delete()
        assert statements.texts == []
        heard.are()


def test_without_events_it_is_silent(audience):
    Note.objects.create()
    Task.objects.create()
    Puppy.objects.create()
    with audience.listening() as heard, without_events():
        Note.objects.all().delete()
        Task.objects.all().delete()
        Puppy.objects.all().delete()
    heard.are()


# Failures.


@pytest.mark.parametrize("model", [Note, Task, Puppy])
def test_the_instance_is_as_before_when_a_receiver_refuses(model):
    entity = model.objects.create()
    before = state(entity)

    def refuse(**_):
        raise RuntimeError("no")

    timestamp_deleted.connect(refuse)
    try:
        with capture_events() as events, pytest.raises(RuntimeError, match="no"), transaction.atomic():
            entity.delete()
    finally:
        timestamp_deleted.disconnect(refuse)
    assert state(entity) == before
    assert events == []
    assert model.objects.get() == entity
    with capture_events() as events:
        entity.delete()
    assert len(events) == 1


def test_a_protected_row_raises_no_event(audience):
    country = Country.objects.create(code="de")
    Embassy.objects.create(country=country)
    before = state(country)
    with audience.listening() as heard:
        with pytest.raises(ProtectedError), transaction.atomic():
            Country.objects.all().delete()
        with pytest.raises(ProtectedError), transaction.atomic():
            country.delete()
    heard.are()
    assert state(country) == before


def test_a_row_that_was_never_saved_is_refused_as_django_refuses():
    with pytest.raises(ValueError, match="can't be deleted because its id attribute is set to None"):
        Note().delete()


def test_a_collector_of_somebodys_own_records_a_row_once():
    dog = Dog.objects.create()
    with capture_events() as events:
        collector = Collector(using="default")
        collector.collect([dog])
        collector.delete()
    assert [(event.event_type, event.entity_type) for event in events] == [("timestamp_deleted", "testapp.dog")]


def test_a_collector_of_somebodys_own_that_kept_the_parents_leaves_nothing_behind():
    puppy = Puppy.objects.create()
    key = puppy.pk
    with capture_events() as events:
        for keep_parents in (True, False):
            collector = Collector(using="default")
            collector.collect([puppy if keep_parents else Dog.objects.get(pk=key)], keep_parents=keep_parents)
            collector.delete()
    assert [(event.entity_type, event.entity_id) for event in events] == [
        ("testapp.puppy", str(key)),
        ("testapp.dog", str(key)),
    ]


def test_what_is_always_deleted_slowly_is_heard_from_the_start():
    for model in (Task, Dog):
        stop_hearing(model)
    wiring.connect()
    task, dog = Task.objects.create(), Dog.objects.create()
    expected = [f"deleted task {task.pk}", f"deleted dog {dog.pk}"]
    with capture_events() as events:
        for entity in (task, dog):
            collector = Collector(using="default")
            collector.collect([entity])
            collector.delete()
    assert [named(event) for event in events] == expected


def test_nothing_is_decided_about_a_model_before_all_are_there(monkeypatch):
    class Unfinished(Note):
        class Meta:
            app_label = "testapp"
            proxy = True
            apps = Apps()

    monkeypatch.setattr("django.apps.apps.models_ready", False)
    assert not deletion.is_deleted_slowly(Unfinished)
