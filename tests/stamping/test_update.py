"""``update()``: when its rows are stamped, and by which statements."""

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import NotSupportedError, transaction
from django.db.models import (
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Value,
    When,
)
from django.db.models.functions import Upper

from tests.stamping.rows import TICK, notes, stamps
from tests.testapp.models import (
    Note,
    Project,
    Task,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_update_stamps_every_row_with_one_reading(clock, audience):
    a, b, c = notes("a", "b", "c")
    now = clock.tick(60)
    with audience.listening() as heard:
        assert Note.objects.exclude(pk=c.pk).update(amount=5) == 2
    assert stamps() == [now, now, c.updated_at]
    assert [note.created_at for note in Note.objects.order_by("pk")] == [a.created_at, b.created_at, c.created_at]
    heard.are(f"updated note {a.pk}", f"updated note {b.pk}")
    for event in heard:
        assert (event.old_timestamp, event.new_timestamp, event.occurred_at) == (a.updated_at, now, now)
        assert event.reason == "entity_updated"


def test_update_is_one_statement_when_nobody_listens(queries, without_log):
    notes("a", "b")
    with queries() as statements:
        Note.objects.filter(amount=0).update(amount=5)
    assert [text.split()[0] for text in statements.texts] == ["UPDATE"]


def test_each_row_moves_on_by_a_microsecond_when_the_clock_goes_back(clock, audience):
    a, b = notes("a", "b")
    clock.tick(10)
    b.save()
    clock.tick(-3600)
    with audience.listening() as heard:
        Note.objects.update(amount=1)
        Note.objects.update(amount=2)
    assert stamps() == [a.updated_at + 2 * TICK, b.updated_at + 2 * TICK]
    heard.agree_with(Note.objects.all())


def test_each_row_moves_on_by_a_microsecond_when_the_clock_stands_still(clock, audience):
    (note,) = notes("a")
    with audience.listening() as heard:
        Note.objects.update(amount=1)
    assert stamps() == [note.updated_at + TICK]
    heard.agree_with(Note.objects.all())


def test_one_update_mixes_rows_before_and_after_the_reading(clock, audience):
    (old,) = notes("old")
    clock.tick(100)
    (young,) = notes("young")
    now = clock.tick(-50)
    with audience.listening() as heard:
        Note.objects.update(amount=1)
    assert stamps() == [now, young.updated_at + TICK]
    heard.agree_with(Note.objects.all())
    if heard.is_told:
        assert [event.old_timestamp for event in heard] == [old.updated_at, young.updated_at]


def test_aupdate_stamps(clock, audience):
    (note,) = notes("a")
    now = clock.tick(5)
    with audience.listening() as heard:
        assert async_to_sync(Note.objects.filter(pk=note.pk).aupdate)(title="b") == 1
    assert stamps() == [now]
    heard.are(f"updated note {note.pk}")


def test_update_takes_f_expressions(clock, audience):
    notes("a", amount=1)
    notes("b", amount=2)
    now = clock.tick()
    with audience.listening() as heard:
        Note.objects.filter(amount__gte=1).update(amount=F("amount") + 10, title=Upper("title"))
    assert list(Note.objects.order_by("pk").values_list("amount", "title")) == [(11, "A"), (12, "B")]
    assert stamps() == [now, now]
    assert len(heard) == 2 * heard.is_told


def test_update_takes_annotations_as_values(clock, audience):
    notes("a", amount=1)
    notes("b", amount=2)
    doubled = ExpressionWrapper(F("amount") * 2, output_field=IntegerField())
    with audience.listening() as heard:
        rows = Note.objects.annotate(doubled=doubled, again=F("doubled") + 1).filter(doubled__gt=2)
        assert rows.update(amount=F("again")) == 1
    assert list(Note.objects.order_by("pk").values_list("amount", flat=True)) == [1, 5]
    assert len(heard) == heard.is_told


def test_update_takes_a_subquery_annotation_as_value(clock, audience):
    project = Project.objects.create(name="p")
    Task.objects.create(project=project, title="t")
    Project.objects.create(name="q")
    named = Case(When(Exists(Task.objects.filter(project=OuterRef("pk"))), then=Value("used")), default=Value("free"))
    with audience.listening() as heard:
        assert Project.objects.annotate(label=named).update(name=F("label")) == 2
    assert list(Project.objects.order_by("pk").values_list("name", flat=True)) == ["used", "free"]
    assert len(heard) == 2 * heard.is_told


def test_an_aggregate_as_value_is_refused_as_django_refuses(audience):
    project = Project.objects.create(name="p")
    with audience.listening() as heard, pytest.raises(FieldError):
        Project.objects.annotate(n=Count("tasks")).update(name=F("n"))
    heard.are()
    project.refresh_from_db()


def test_a_joined_reference_as_value_leaves_the_transaction_usable(audience):
    Task.objects.create(project=Project.objects.create(name="p"))
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(FieldError):
            Task.objects.update(title=F("project__name"))
        assert Task.objects.count() == 1
    heard.are()


def test_an_unknown_field_leaves_the_callers_transaction_usable(audience):
    notes("a")
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(FieldDoesNotExist):
            Note.objects.update(nothing=1)
        assert Note.objects.count() == 1
    heard.are()


def test_a_many_to_many_field_leaves_the_callers_transaction_usable(audience):
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(FieldError):
            Task.objects.update(tags=1)
        assert Task.objects.count() == 0
    heard.are()


def test_ordering_by_an_aggregate_leaves_the_callers_transaction_usable(audience):
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(FieldError):
            Project.objects.annotate(n=Count("tasks")).order_by("-n").update(name="x")
        assert Project.objects.count() == 0
    heard.are()


def test_an_empty_update_does_what_django_does(audience):
    (note,) = notes("a")
    with audience.listening() as heard:
        assert Note.objects.update() == 0
    assert stamps() == [note.updated_at]
    heard.are()


def test_an_update_of_no_row_raises_no_event(audience):
    with audience.listening() as heard:
        assert Note.objects.filter(title="nobody").update(amount=1) == 0
        assert Note.objects.none().update(amount=1) == 0
    heard.are()


def test_a_sliced_queryset_is_refused_before_anything_is_written(audience):
    notes("a")
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(TypeError, match="slice"):
            Note.objects.all()[:1].update(amount=1)
        assert Note.objects.filter(amount=0).count() == 1
    heard.are()


def test_a_combined_queryset_is_refused_as_django_refuses(audience):
    notes("a")
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(NotSupportedError):
            Note.objects.all().union(Note.objects.all()).update(amount=1)
        assert Note.objects.count() == 1
    heard.are()
