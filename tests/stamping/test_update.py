import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import django
import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import IntegrityError, NotSupportedError, transaction
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Concat, Now, Upper

from django_clean_timestamps.context import (
    no_touching,
    preserve_timestamps,
    stamped_at,
    timestamp_context,
    without_events,
)
from django_clean_timestamps.exceptions import ImmutableTimestampError, InvalidTimestampError
from django_clean_timestamps.signals import timestamp_updated
from tests.otherapp.models import Remote
from tests.testapp.models import (
    Animal,
    Attachment,
    Category,
    Comment,
    Dog,
    Managed,
    Note,
    NoteProxy,
    Numbered,
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

TICK = timedelta(microseconds=1)
EARLIER = datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)


def notes(*titles, **fields):
    return [Note.objects.create(title=title, **fields) for title in titles]


def stamps(model=Note):
    return list(model.objects.order_by("pk").values_list("updated_at", flat=True))


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


# Given times.


def test_a_given_time_is_written_exactly_and_twice_the_same_too(clock, audience):
    (note,) = notes("a")
    given = note.created_at + timedelta(microseconds=7)
    clock.tick(60)
    with audience.listening() as heard:
        Note.objects.update(updated_at=given)
        Note.objects.update(updated_at=given, amount=2)
    assert stamps() == [given]
    assert [event.occurred_at for event in heard] == [given, given] * heard.is_told


def test_a_given_time_in_another_zone_is_the_same_moment(clock, audience):
    (note,) = notes("a")
    given = (note.created_at + timedelta(seconds=5)).astimezone(ZoneInfo("Asia/Kathmandu"))
    with audience.listening() as heard:
        Note.objects.update(updated_at=given)
    assert stamps() == [given]
    assert [event.occurred_at.tzinfo for event in heard] == [UTC] * heard.is_told


def test_a_given_expression_is_written_as_it_is(clock, audience):
    (note,) = notes("a")
    with audience.listening() as heard:
        Note.objects.update(updated_at=F("created_at"))
        assert stamps() == [note.created_at]
        Note.objects.update(updated_at=F("updated_at") + timedelta(days=1))
    assert stamps() == [note.created_at + timedelta(days=1)]
    heard.agree_with(Note.objects.all())
    assert len(heard) == 2 * heard.is_told


def test_the_databases_now_is_written_as_it_is(audience):
    notes("a")
    with audience.listening() as heard:
        Note.objects.update(updated_at=Now())
    assert abs(stamps()[0] - datetime.now(UTC)) < timedelta(minutes=5)
    heard.agree_with(Note.objects.all())


@pytest.mark.parametrize(
    "given",
    [datetime(2025, 1, 1), None, "2026-01-01T00:00:00Z", datetime(2026, 1, 2, tzinfo=UTC)],
    ids=["naive", "none", "text", "future"],
)
def test_a_bad_time_is_refused_before_anything_is_written(clock, audience, queries, given):
    (note,) = notes("a")
    with transaction.atomic():
        with audience.listening() as heard, queries() as statements, pytest.raises(InvalidTimestampError):
            Note.objects.update(updated_at=given, amount=3)
        assert statements.texts == []
        assert Note.objects.get().amount == 0
    assert stamps() == [note.updated_at]
    heard.are()


def test_a_time_before_created_at_is_refused_and_the_rows_are_asked_once(clock, audience, queries):
    notes("a", "b")
    before = clock.now - timedelta(seconds=1)
    with transaction.atomic():
        with audience.listening() as heard, queries() as statements, pytest.raises(InvalidTimestampError):
            Note.objects.update(updated_at=before)
        assert [text.split()[0] for text in statements.texts] == ["SELECT"]
        assert Note.objects.count() == 2
    heard.are()


def test_a_good_given_time_asks_the_rows_once(clock, queries, without_log):
    notes("a", "b")
    with queries() as statements:
        Note.objects.update(updated_at=clock.now)
    assert [text.split()[0] for text in statements.texts] == ["SELECT", "UPDATE"]


def test_a_time_before_created_at_of_a_row_that_is_not_selected_is_good(clock, audience):
    (old,) = notes("old")
    clock.tick(60)
    notes("young")
    with audience.listening() as heard:
        Note.objects.filter(title="old").update(updated_at=old.created_at)
    heard.are(f"updated note {old.pk}")


def test_stamped_at_is_a_given_time(clock, audience):
    (note,) = notes("a")
    moment = note.created_at + timedelta(microseconds=1)
    clock.tick(60)
    with audience.listening() as heard, stamped_at(moment):
        Note.objects.update(amount=1)
        Note.objects.update(amount=2)
    assert stamps() == [moment]
    assert [event.occurred_at for event in heard] == [moment, moment] * heard.is_told


def test_stamped_at_before_created_at_is_refused(clock, audience):
    notes("a")
    with audience.listening() as heard, stamped_at(EARLIER), pytest.raises(InvalidTimestampError):
        Note.objects.update(amount=1)
    assert Note.objects.get().amount == 0
    heard.are()


def test_a_given_time_wins_over_stamped_at(clock, audience):
    (note,) = notes("a")
    given = note.created_at + timedelta(seconds=9)
    with audience.listening(), stamped_at(note.created_at + timedelta(seconds=5)):
        Note.objects.update(updated_at=given)
    assert stamps() == [given]


# created_at.


def test_created_at_is_refused(clock, audience, queries):
    (note,) = notes("a")
    with transaction.atomic():
        with audience.listening() as heard, queries() as statements:
            with pytest.raises(ImmutableTimestampError, match=r"testapp\.Note: created_at .* preserve_timestamps"):
                Note.objects.update(created_at=EARLIER, amount=1)
        assert statements.texts == []
        note.refresh_from_db()
    assert note.amount == 0
    heard.are()


def test_a_function_for_created_at_is_refused(audience):
    notes("a")
    with audience.listening() as heard, pytest.raises(ImmutableTimestampError):
        Note.objects.update(created_at=Now())
    heard.are()


@pytest.mark.parametrize("policy", ["warn", "ignore"])
def test_a_milder_policy_leaves_created_at_out(clock, audience, settings, policy, recwarn):
    (note,) = notes("a")
    settings.CLEAN_TIMESTAMPS = {**settings.CLEAN_TIMESTAMPS, "CREATED_AT_POLICY": policy}
    now = clock.tick()
    with audience.listening() as heard:
        if policy == "warn":
            with pytest.warns(RuntimeWarning, match="created_at"):
                Note.objects.update(created_at=EARLIER, amount=1)
        else:
            Note.objects.update(created_at=EARLIER, amount=1)
    row = Note.objects.get()
    assert (row.created_at, row.updated_at, row.amount) == (note.created_at, now, 1)
    heard.are(f"updated note {note.pk}")
    assert not recwarn.list


def test_preserve_timestamps_corrects_created_at(clock, audience):
    (note,) = notes("a")
    clock.tick()
    with audience.listening() as heard, preserve_timestamps(Note):
        Note.objects.update(created_at=EARLIER)
    row = Note.objects.get()
    assert (row.created_at, row.updated_at) == (EARLIER, note.updated_at)
    heard.are(f"updated note {note.pk}")
    if heard:
        assert heard[0].old_timestamp == heard[0].new_timestamp == note.updated_at


def test_preserve_timestamps_refuses_a_created_at_after_updated_at(clock, audience):
    notes("a")
    clock.tick(60)
    with audience.listening() as heard, preserve_timestamps(), pytest.raises(InvalidTimestampError):
        Note.objects.update(created_at=clock.now)
    heard.are()


def test_preserve_timestamps_refuses_both_in_the_wrong_order(clock, audience):
    notes("a")
    with audience.listening() as heard, preserve_timestamps(), pytest.raises(InvalidTimestampError):
        Note.objects.update(created_at=EARLIER, updated_at=EARLIER - TICK)
    heard.are()


def test_preserve_timestamps_takes_no_stamp_from_the_clock(clock, audience):
    (note,) = notes("a")
    clock.tick(60)
    with audience.listening() as heard, preserve_timestamps():
        Note.objects.update(amount=1)
    assert stamps() == [note.updated_at]
    heard.are(f"updated note {note.pk}")


def test_preserve_timestamps_writes_an_expression_for_created_at(clock, audience):
    (note,) = notes("a")
    with audience.listening(), preserve_timestamps():
        Note.objects.update(created_at=F("created_at") - timedelta(days=1))
    assert Note.objects.get().created_at == note.created_at - timedelta(days=1)


# Which rows.


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


# Kinds of models.


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
    settings.DATABASE_ROUTERS = ["tests.stamping.test_update.ReadElsewhere"]
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


def test_the_microseconds_survive(clock, audience):
    notes("a")
    now = clock.tick(0.123457)
    with audience.listening():
        Note.objects.update(amount=1)
    assert stamps() == [now]


def test_an_aggregate_is_refused_as_django_refuses_and_leaves_the_transaction_usable():
    note = Note.objects.create(amount=1)
    with transaction.atomic():
        with pytest.raises(FieldError, match="Aggregate functions are not allowed"):
            Note.objects.update(amount=Max("amount"))
        note.save()


def no_notes(name):
    """Return a query that Django knows to be empty, without asking the database."""
    return Note.objects.none().values(name)


@pytest.mark.parametrize(
    ("model", "make_values"),
    [
        (Note, lambda: {"amount": no_notes("amount")}),
        (Note, lambda: {"amount": Subquery(no_notes("amount"))}),
        (Note, lambda: {"amount": Subquery(no_notes("amount")[:1]), "title": "b"}),
        (Note, lambda: {"amount": F("amount") + Subquery(no_notes("amount"))}),
        (Note, lambda: {"title": Subquery(no_notes("amount"), output_field=CharField())}),
        (Managed, lambda: {"active": Q(pk__in=[])}),
        (Dog, lambda: {"breed": Subquery(no_notes("title"))}),
        (Dog, lambda: {"name": Subquery(no_notes("title"))}),
        (Dog, lambda: {"name": Subquery(no_notes("title")), "breed": Subquery(no_notes("title"))}),
    ],
)
def test_a_value_that_is_known_to_be_empty_updates_nothing(model, make_values, clock, audience):
    row = model.objects.create()
    clock.tick()
    # Django does not even ask the database.
    assert QuerySet(model).update(**make_values()) == 0
    with audience.listening() as heard:
        assert model.objects.update(**make_values()) == 0
    assert stamps(model) == [row.updated_at]
    heard.are()


@pytest.mark.parametrize(
    ("make_values", "written"),
    [
        (lambda: {"name": "new", "breed": Subquery(no_notes("title"))}, ("new", "old")),
        (lambda: {"name": Subquery(no_notes("title")), "breed": "new"}, ("old", "new")),
        (lambda: {"updated_at": Subquery(no_notes("seen_at")), "breed": "new"}, ("old", "new")),
    ],
)
def test_a_value_that_is_known_to_be_empty_leaves_only_its_own_table_out(make_values, written, clock, audience):
    plain, dog = [Dog.objects.create(name="old", breed="old") for _ in range(2)]
    now = clock.tick()
    assert QuerySet(Dog).filter(pk=plain.pk).update(**make_values()) == 1
    with audience.listening() as heard:
        assert Dog.objects.filter(pk=dog.pk).update(**make_values()) == 1
    assert list(Dog.objects.values_list("name", "breed")) == [written, written]
    assert Dog.objects.get(pk=dog.pk).updated_at == now
    heard.are(f"updated dog {dog.pk}")


def test_an_update_of_two_tables_asks_the_database_as_often_as_django(queries, without_log):
    Dog.objects.create(name="old", breed="old")
    values = {"name": Upper("name"), "breed": Upper("breed")}
    with queries() as plain:
        QuerySet(Dog).update(**values)
    with queries() as statements:
        Dog.objects.update(**values)
    assert [text.split()[0] for text in statements.texts] == [text.split()[0] for text in plain.texts]


def test_created_at_from_a_query_that_is_known_to_be_empty_is_refused_too():
    notes("a")
    with pytest.raises(ImmutableTimestampError):
        Note.objects.update(created_at=no_notes("created_at"))


def test_created_at_from_a_query_that_is_known_to_be_empty_updates_nothing_where_it_is_ignored(clock, settings):
    settings.CLEAN_TIMESTAMPS = {**settings.CLEAN_TIMESTAMPS, "CREATED_AT_POLICY": "ignore"}
    (note,) = notes("a")
    clock.tick()
    assert Note.objects.update(created_at=no_notes("created_at"), title="b") == 0
    assert Note.objects.values_list("title", "updated_at").get() == ("a", note.updated_at)


def test_a_value_from_a_query_is_updated_to(clock, audience):
    first, _ = notes("a", "b")
    amount = Subquery(Tag.objects.values("pk").annotate(count=Count("pk")).values("count")[:1])
    Tag.objects.create(name="x")
    with audience.listening() as heard:
        assert Note.objects.filter(pk=first.pk).update(amount=amount) == 1
    assert Note.objects.get(pk=first.pk).amount == 1
    assert heard.names == [f"updated note {first.pk}"] * heard.is_told


def test_rows_in_an_order_are_touched_in_any(clock, audience):
    puppies = [Puppy.objects.create(weeks=number) for number in range(3)]
    now = clock.tick()
    with audience.listening() as heard:
        assert Puppy.objects.order_by("-pk").touch("seen") == 3
    assert set(Puppy.objects.values_list("updated_at", flat=True)) == {now}
    assert set(heard.names) == ({f"updated puppy {puppy.pk}" for puppy in puppies} if heard.is_told else set())


def test_distinct_rows_with_a_composite_key_are_compared_with_a_given_time(clock):
    seat = Seat.objects.create(row=1, number=2)
    with stamped_at(seat.created_at - timedelta(days=1)), pytest.raises(InvalidTimestampError, match="created_at"):
        Seat.objects.distinct().touch()
    with stamped_at(clock.tick()):
        assert Seat.objects.distinct().touch() == 1
