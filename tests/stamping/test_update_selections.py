"""Which rows an ``update()`` writes."""

import django
import pytest
from django.db.models import (
    Count,
    F,
    Value,
)
from django.db.models.functions import Concat, Upper

from tests.stamping.rows import notes
from tests.testapp.models import (
    Attachment,
    Note,
    Numbered,
    Project,
    Task,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_an_ordered_update_shifts_a_unique_integer_as_django_does(audience, vendor):
    Numbered.objects.bulk_create([Numbered(number=n) for n in range(1000, 0, -1)])
    with audience.listening() as heard:
        if vendor == "mysql":
            assert Numbered.objects.order_by("-number").update(number=F("number") + 1) == 1000
        else:
            Numbered.objects.order_by("-number").update(number=F("number") + 5000)
    assert Numbered.objects.count() == 1000
    assert len(heard) == 1000 * heard.is_told


def test_an_update_may_be_ordered_by_an_annotation(audience):
    notes("a", "b")
    with audience.listening() as heard:
        assert Note.objects.annotate(n=F("amount") + 1).order_by("-n", "pk").update(amount=1) == 2
    assert len(heard) == 2 * heard.is_told


def test_an_update_may_be_ordered_by_a_related_field(audience):
    Task.objects.create(project=Project.objects.create(name="p"))
    with audience.listening() as heard:
        assert Task.objects.order_by("project__name").update(title="x") == 1
    assert sum(event.entity_type == "testapp.task" for event in heard) == heard.is_told


def test_a_joined_filter_updates_and_records_the_rows_of_the_entity_alone(clock, audience):
    project = Project.objects.create(name="p")
    chosen = Attachment.objects.create(project=project)
    other = Attachment.objects.create(project=Project.objects.create(name="q"))
    now = clock.tick()
    with audience.listening() as heard:
        assert Attachment.objects.filter(project__name="p").update(project=None) == 1
    chosen.refresh_from_db()
    assert (chosen.updated_at, chosen.project_id) == (now, None)
    assert Attachment.objects.get(pk=other.pk).updated_at == other.updated_at
    heard.are(f"updated attachment {chosen.pk}")


def test_a_filter_over_many_related_rows_records_each_row_once(clock, audience):
    project = Project.objects.create(name="p")
    for title in "abc":
        Task.objects.create(project=project, title=title)
    clock.tick()
    with audience.listening() as heard:
        assert Project.objects.filter(tasks__title__in="abc").update(name="x") == 1
    heard.are(f"updated project {project.pk}")


def test_the_nullable_side_of_a_join_can_be_filtered(clock, audience):
    project = Project.objects.create(name="p")
    empty = Project.objects.create(name="q")
    Task.objects.create(project=project)
    with audience.listening() as heard:
        assert Project.objects.filter(tasks=None).update(name="empty") == 1
    heard.are(f"updated project {empty.pk}")


def test_a_distinct_queryset_updates_and_records_each_row_once(clock, audience):
    project = Project.objects.create(name="p")
    for title in "abc":
        Task.objects.create(project=project, title=title)
    with audience.listening() as heard:
        assert Project.objects.filter(tasks__title__in="abc").distinct().update(name="x") == 1
        assert Project.objects.distinct().update(name="y") == 1
    heard.are(*[f"updated project {project.pk}"] * 2)


@pytest.mark.postgres
def test_distinct_on_is_left_out_or_refused_as_django_does(audience):
    notes("a", "a")
    with audience.listening() as heard:
        if django.VERSION >= (6, 1):
            with pytest.raises(TypeError, match="distinct"):
                Note.objects.distinct("title").update(amount=1)
            assert Note.objects.filter(amount=0).count() == 2
            return
        assert Note.objects.distinct("title").update(amount=1) == 2
    assert len(heard) == 2 * heard.is_told


def test_a_filter_on_a_grouped_annotation_chooses_the_rows(clock, audience):
    busy, idle = Project.objects.create(name="busy"), Project.objects.create(name="idle")
    for _ in range(2):
        Task.objects.create(project=busy)
    Task.objects.create(project=idle)
    idle.refresh_from_db()
    now = clock.tick()
    with audience.listening() as heard:
        assert Project.objects.annotate(n=Count("tasks")).filter(n__gt=1).update(name="x") == 1
    heard.are(f"updated project {busy.pk}")
    assert Project.objects.get(pk=busy.pk).updated_at == now
    assert Project.objects.get(pk=idle.pk).updated_at == idle.updated_at


def test_an_annotation_over_a_join_beside_a_plain_value_loses_no_row(audience):
    project, empty = Project.objects.create(name="p"), Project.objects.create(name="q")
    Task.objects.create(project=project)
    with audience.listening() as heard:
        assert Project.objects.annotate(title=F("tasks__title"), n=Count("tasks")).update(name="x") == 2
    heard.are_in_any_order([f"updated project {project.pk}", f"updated project {empty.pk}"])


def test_an_inner_join_and_an_annotation_as_value_go_together(audience):
    project = Project.objects.create(name="p")
    Task.objects.create(project=project, title="t")
    with audience.listening() as heard:
        rows = Project.objects.filter(tasks__title="t").annotate(shout=Upper("name"))
        assert rows.update(name=Concat("shout", Value("!"))) == 1
    assert Project.objects.get().name == "P!"
    heard.are(f"updated project {project.pk}")


def test_a_values_queryset_can_be_updated(audience):
    (note,) = notes("a")
    with audience.listening() as heard:
        assert Note.objects.values("title").update(amount=1) == 1
        assert Note.objects.values_list("title", flat=True).update(amount=2) == 1
    heard.are(*[f"updated note {note.pk}"] * 2)


def test_a_deferred_and_a_select_related_queryset_can_be_updated(audience):
    task = Task.objects.create(project=Project.objects.create())
    with audience.listening() as heard:
        assert Task.objects.select_related("project").update(title="x") == 1
        assert Task.objects.only("title").update(title="y") == 1
        assert Task.objects.select_for_update().update(title="z") == 1
    assert [name for name in heard.names if " task " in name] == [f"updated task {task.pk}"] * 3 * heard.is_told


def test_more_rows_than_one_statement_names_are_updated(clock, audience):
    Note.objects.bulk_create([Note() for _ in range(2000)])
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.annotate(n=F("amount") + 1).update(amount=F("n")) == 2000
    assert Note.objects.filter(updated_at=now, amount=1).count() == 2000
    assert len({event.entity_id for event in heard}) == len(heard) == 2000 * heard.is_told


def test_an_evaluated_queryset_forgets_its_rows(audience):
    notes("a")
    rows = Note.objects.all()
    assert [note.amount for note in rows] == [0]
    with audience.listening():
        rows.update(amount=1)
    assert [note.amount for note in rows] == [1]
