from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet

from django_clean_timestamps.stamping.expressions import NeverBack, StrictlyLater
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db

HELD = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def written(expression):
    """Return what a row that holds HELD gets, by Django's own UPDATE."""
    note = Note.objects.create(updated_at=HELD)
    QuerySet(Note).filter(pk=note.pk).update(updated_at=expression)
    return QuerySet(Note).values_list("updated_at", flat=True).get(pk=note.pk)


@pytest.mark.parametrize(
    ("reading", "stamp"),
    [(HELD + TICK, HELD + TICK), (HELD, HELD + TICK), (HELD - timedelta(days=1), HELD + TICK)],
    ids=["later", "the same", "earlier"],
)
def test_a_stamp_is_the_reading_or_a_microsecond_more_than_the_row_holds(reading, stamp):
    assert written(StrictlyLater(reading)) == stamp


def test_microseconds_carry_over_into_the_next_second():
    late = HELD.replace(microsecond=999_999)
    note = Note.objects.create(updated_at=late)
    QuerySet(Note).filter(pk=note.pk).update(updated_at=StrictlyLater(late))
    assert QuerySet(Note).get(pk=note.pk).updated_at == late + TICK


@pytest.mark.parametrize(
    ("moment", "stamp"),
    [(HELD + TICK, HELD + TICK), (HELD, HELD), (HELD - timedelta(days=1), HELD)],
    ids=["later", "the same", "earlier"],
)
def test_a_parents_given_stamp_never_goes_back(moment, stamp):
    assert written(NeverBack(moment)) == stamp


def test_a_stamp_follows_its_table_under_another_name():
    queryset = QuerySet(Note)
    resolved = StrictlyLater(HELD).resolve_expression(queryset.query)
    renamed = resolved.relabeled_clone({"testapp_note": "elsewhere"})
    sql, _ = queryset.query.get_compiler(connection=connection).compile(renamed)
    assert "elsewhere" in sql
    assert "testapp_note" not in sql
