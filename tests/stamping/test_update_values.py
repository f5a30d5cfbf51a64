"""Values that an ``update()`` is given."""

from datetime import timedelta

import pytest
from django.core.exceptions import FieldError
from django.db import transaction
from django.db.models import (
    CharField,
    Count,
    F,
    Max,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Upper

from django_clean_timestamps.context import (
    stamped_at,
)
from django_clean_timestamps.exceptions import ImmutableTimestampError, InvalidTimestampError
from tests.stamping.rows import no_notes, notes, stamps
from tests.testapp.models import (
    Dog,
    Managed,
    Note,
    Puppy,
    Seat,
    Tag,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


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
