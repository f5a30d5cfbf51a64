"""Which keys the database writes, and that it writes them as Python does."""

import pytest
from django.db import transaction

from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.stamping.identity import KeyKind, sql_key_kind
from tests.eventlog import odd_keys
from tests.eventlog.log import pending_events, raw_count
from tests.testapp.models import (
    Currency,
    LongKey,
    Note,
    Product,
    Puppy,
    Seat,
    Token,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (Note, KeyKind.INTEGER),
        (Currency, KeyKind.TEXT),
        (Token, KeyKind.UUID),
        (Puppy, KeyKind.INTEGER),
        (odd_keys.TokenKey, KeyKind.UUID),
        (odd_keys.SlugKey, KeyKind.TEXT),
        (LongKey, None),
        (Product, None),
        (Seat, None),
        *((model, None) for model in odd_keys.BY_PYTHON),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_database_writes_only_the_keys_that_it_writes_as_python_does(model, kind):
    assert sql_key_kind(model) is kind


@pytest.mark.parametrize(
    ("model", "key"),
    [*odd_keys.BY_PYTHON.items(), *odd_keys.BY_SQL.items()],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_entity_id_of_an_odd_key_is_that_of_the_instance(model, key, odd_tables):
    def create(path):
        name = model._meta.get_field("code").attname
        return path(model(**{name: key}))

    create(lambda entity: entity.save(force_insert=True))
    entity = model.objects.get()
    wanted = entity._get_entity_id()
    model.objects.update(label="a")
    model.objects.all().touch()
    model.objects.all().delete()
    create(lambda entity: model.objects.bulk_create([entity]))
    ids = list(Pending.objects.order_by("id").values_list("entity_id", flat=True))
    assert ids == [wanted] * 5


@pytest.mark.parametrize("length", [200, 201])
def test_a_key_of_any_length_is_written_or_refused_with_its_row(length):
    write = LongKey(code="x" * length)
    if length <= 200:
        LongKey.objects.bulk_create([write])
        LongKey.objects.all().touch()
        assert {event.entity_id for event in pending_events()} == {"x" * 200}
        return
    with pytest.raises(InvalidTimestampError, match="201 characters"), transaction.atomic():
        LongKey.objects.bulk_create([write])
    assert not LongKey.objects.exists()
    assert raw_count(Pending) == 0
