import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from django_clean_timestamps.testing import capture_events
from tests.stamping.audience import named
from tests.testapp.models import Attachment, Project, Tag, Tagging, Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return Project.objects.create(name="p")


def stamps(model):
    return list(model.objects.order_by("pk").values_list("updated_at", flat=True))


def test_add_stamps_and_records_the_rows(clock, audience, project):
    attachments = [Attachment.objects.create() for _ in range(2)]
    now = clock.tick()
    with audience.listening() as heard:
        project.attachments.add(*attachments)
    assert stamps(Attachment) == [now, now]
    heard.are(*[f"updated attachment {attachment.pk}" for attachment in attachments])


def test_remove_stamps_and_records_the_rows(clock, audience, project):
    first, second = [Attachment.objects.create(project=project) for _ in range(2)]
    now = clock.tick()
    with audience.listening() as heard:
        project.attachments.remove(first)
    assert stamps(Attachment) == [now, second.updated_at]
    heard.are(f"updated attachment {first.pk}")


def test_clear_stamps_and_records_the_rows(clock, audience, project):
    attachments = [Attachment.objects.create(project=project) for _ in range(2)]
    now = clock.tick()
    with audience.listening() as heard:
        project.attachments.clear()
    assert stamps(Attachment) == [now, now]
    heard.are(*[f"updated attachment {attachment.pk}" for attachment in attachments])


@pytest.mark.parametrize("write", ["remove", "clear", "add"])
def test_row_by_row_raises_the_same_events(clock, project, write):
    attachment = Attachment.objects.create(project=None if write == "add" else project)
    arguments = () if write == "clear" else (attachment,)
    with capture_events() as events:
        getattr(project.attachments, write)(*arguments, bulk=False)
    assert [named(event) for event in events] == [f"updated attachment {attachment.pk}"]


def test_set_records_what_comes_and_goes_alone(clock, audience, project):
    goes, stays = [Attachment.objects.create(project=project) for _ in range(2)]
    comes = Attachment.objects.create()
    with audience.listening() as heard:
        project.attachments.set([stays, comes])
    heard.are_in_any_order([f"updated attachment {goes.pk}", f"updated attachment {comes.pk}"])


def test_the_rows_of_a_through_model_are_stamped_and_recorded(clock, audience):
    task, first, second = Task.objects.create(), Tag.objects.create(name="a"), Tag.objects.create(name="b")
    with audience.listening() as heard:
        task.tags.add(first, second)
        assert set(stamps(Tagging)) == {clock.now}
        keys = {tagging.tag_id: tagging.pk for tagging in Tagging.objects.all()}
        task.tags.add(first)
        task.tags.remove(first)
        second.tasks.clear()
    heard.are_in_any_order([f"{kind} tagging {key}" for kind in ("created", "deleted") for key in keys.values()])


def test_set_of_a_through_model_records_what_comes_and_goes(clock, audience):
    task, first, second = Task.objects.create(), Tag.objects.create(name="a"), Tag.objects.create(name="b")
    task.tags.add(first)
    old = Tagging.objects.get().pk
    with audience.listening() as heard, transaction.atomic():
        task.tags.set([second])
    heard.are(f"deleted tagging {old}", f"created tagging {Tagging.objects.get().pk}")


def test_create_through_a_relation_is_recorded(clock):
    task = Task.objects.create()
    with capture_events() as events:
        tag = task.tags.create(name="a")
        task.tags.get_or_create(name="a")
        task.tags.update_or_create(name="a", defaults={"name": "b"})
    tagging = Tagging.objects.get()
    assert [named(event) for event in events] == [
        f"created tag {tag.pk}",
        f"created tagging {tagging.pk}",
        f"updated tag {tag.pk}",
    ]


def test_the_async_forms_are_recorded(clock, audience, project):
    attachment = Attachment.objects.create()
    with audience.listening() as heard:
        async_to_sync(project.attachments.aadd)(attachment)
        async_to_sync(project.attachments.aremove)(attachment)
        async_to_sync(project.attachments.aset)([attachment])
        async_to_sync(project.attachments.aclear)()
    heard.are(*[f"updated attachment {attachment.pk}"] * 4)
