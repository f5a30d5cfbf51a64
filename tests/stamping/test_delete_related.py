"""Deletions that reach further: slow ones, cascades, and rows of several tables."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_delete

from django_clean_timestamps.testing import capture_events
from tests.testapp.models import (
    Animal,
    Attachment,
    Box,
    Comment,
    Dog,
    Guard,
    Item,
    Kennel,
    Label,
    Labelled,
    Part,
    Project,
    Puppy,
    Sticker,
    Task,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


# Slow.


def test_a_slow_delete_of_an_instance_is_recorded_once(clock):
    task = Task.objects.create(title="a")
    comment = Comment.objects.create(task=task)
    key = task.pk
    with capture_events() as events:
        assert task.delete()[0] == 2
    assert [(e.event_type, e.entity_type, e.entity_id) for e in events] == [
        ("timestamp_deleted", "testapp.comment", str(comment.pk)),
        ("timestamp_deleted", "testapp.task", str(key)),
    ]
    assert task.pk is None


def test_a_slow_delete_of_a_queryset_is_recorded_once_a_row(audience):
    tasks = [Task.objects.create(title=title) for title in "ab"]
    comment = Comment.objects.create(task=tasks[0])
    rows = Task.objects.all()
    assert len(rows) == 2
    with audience.listening() as heard:
        assert rows.delete()[0] == 3
    heard.are_in_any_order([f"deleted comment {comment.pk}", *(f"deleted task {task.pk}" for task in tasks)])
    assert list(rows) == []


def test_a_cascade_from_a_model_that_is_no_entity_is_recorded(audience):
    box = Box.objects.create()
    item, sticker = Item.objects.create(box=box), Sticker.objects.create(box=box)
    part = Part.objects.create(item=item)
    with audience.listening() as heard:
        box.delete()
    heard.are_in_any_order([f"deleted item {item.pk}", f"deleted sticker {sticker.pk}", f"deleted part {part.pk}"])


def test_a_cascade_from_a_queryset_of_a_model_that_is_no_entity_is_recorded(audience):
    stickers = [Sticker.objects.create(box=Box.objects.create()) for _ in range(2)]
    with audience.listening() as heard:
        Box.objects.all().delete()
    heard.are_in_any_order([f"deleted sticker {sticker.pk}" for sticker in stickers])


def test_set_null_is_recorded_as_an_update(clock, audience):
    project = Project.objects.create()
    attachments = [Attachment.objects.create(project=project) for _ in range(2)]
    now = clock.tick()
    with audience.listening() as heard:
        Project.objects.all().delete()
    assert list(Attachment.objects.values_list("project", "updated_at")) == [(None, now)] * 2
    heard.are_in_any_order(
        [f"deleted project {project.pk}", *(f"updated attachment {attachment.pk}" for attachment in attachments)]
    )
    heard.agree_with(Attachment.objects.all())


def test_generic_relations_are_recorded(audience):
    labelled = Labelled.objects.create()
    label = Label.objects.create(target=labelled)
    assert label.content_type == ContentType.objects.get_for_model(Labelled)
    with audience.listening() as heard:
        Labelled.objects.all().delete()
    heard.are_in_any_order([f"deleted labelled {labelled.pk}", f"deleted label {label.pk}"])


def test_the_generic_relations_of_a_single_row_are_recorded(audience):
    labelled, key = Labelled.objects.create(), None
    key = labelled.pk
    with capture_events() as events:
        labelled.delete()
    assert [event.entity_id for event in events] == [str(key)]


# Several tables.


@pytest.mark.parametrize("through", [Puppy, Dog, Animal])
def test_a_row_of_several_tables_is_one_event_under_its_most_derived_class(audience, through):
    puppy, other = Puppy.objects.create(name="a"), Animal.objects.create(name="b")
    with audience.listening() as heard:
        through.objects.filter(name="a").delete()
    heard.are(f"deleted puppy {puppy.pk}")
    assert Animal.objects.get() == other


@pytest.mark.parametrize("through", [Puppy, Dog, Animal])
def test_an_instance_of_several_tables_is_one_event_under_its_most_derived_class(through):
    key = Puppy.objects.create(name="a").pk
    with capture_events() as events:
        through.objects.get(pk=key).delete()
    assert [(event.entity_type, event.entity_id) for event in events] == [("testapp.puppy", str(key))]


def test_rows_of_every_depth_go_in_one_delete(audience):
    puppy, dog, animal = Puppy.objects.create(), Dog.objects.create(), Animal.objects.create()
    guard = Guard.objects.create(kennel=Kennel.objects.create())
    with audience.listening() as heard:
        Animal.objects.all().delete()
    heard.are_in_any_order(
        [
            f"deleted puppy {puppy.pk}",
            f"deleted dog {dog.pk}",
            f"deleted animal {animal.pk}",
            f"deleted guard {guard.pk}",
        ]
    )


def test_a_child_that_goes_with_something_else_is_one_event(audience):
    kennel = Kennel.objects.create()
    guard, kept = Guard.objects.create(kennel=kennel), Animal.objects.create()
    with audience.listening() as heard:
        kennel.delete()
    heard.are(f"deleted guard {guard.pk}")
    assert Animal.objects.get() == kept


def test_keep_parents_deletes_the_child_alone():
    puppy = Puppy.objects.create(name="a")
    key = puppy.pk
    with capture_events() as events:
        puppy.delete(keep_parents=True)
    assert [(event.entity_type, event.entity_id) for event in events] == [("testapp.puppy", str(key))]
    assert Dog.objects.get().pk == key
    with capture_events() as events:
        Animal.objects.get().delete()
    assert [(event.entity_type, event.entity_id) for event in events] == [("testapp.dog", str(key))]


def test_a_receiver_that_deletes_more_disturbs_no_record(listener):
    first, second = Puppy.objects.create(name="a"), Puppy.objects.create(name="b")
    keys = {str(first.pk), str(second.pk)}

    def delete_the_other(instance, **_):
        Puppy.objects.exclude(pk=instance.pk).delete()

    post_delete.connect(delete_the_other, sender=Puppy)
    try:
        with capture_events() as events:
            first.delete()
    finally:
        post_delete.disconnect(delete_the_other, sender=Puppy)
    assert sorted((event.entity_type, event.entity_id) for event in events) == sorted(
        ("testapp.puppy", key) for key in keys
    )
