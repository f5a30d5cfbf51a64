"""Conditions that answer differently each time."""

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.db.models.functions import Random

from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.exceptions import UnitOfWorkError
from tests.eventlog.log import empty_log, pending_events, raw_count
from tests.eventlog.set_based.both_paths import (
    make_rows,
)
from tests.testapp.models import (
    Note,
)

pytestmark = pytest.mark.django_db


def test_a_random_condition_writes_an_event_for_each_changed_row_or_nothing():
    Note.objects.bulk_create(Note() for _ in range(300))
    empty_log()
    try:
        with transaction.atomic():
            changed = Note.objects.annotate(luck=Random()).filter(luck__lt=0.5).update(amount=1)
    except UnitOfWorkError:
        # SQLite asks twice.
        assert connection.vendor == "sqlite"
        assert not Note.objects.filter(amount=1).exists()
        assert raw_count(Pending) == 0
    else:
        assert Note.objects.filter(amount=1).count() == changed == raw_count(Pending)


# True until the INSERT of the events has changed a row.
ONLY_ONCE = "total_changes() = %s"


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "write", [lambda rows: rows.update(amount=1), lambda rows: rows.delete()], ids=["update", "delete"]
)
def test_a_condition_that_changes_between_two_statements_is_an_error(write):
    Note.objects.bulk_create([Note(), Note()])
    empty_log()
    with connection.cursor() as cursor:
        cursor.execute("SELECT total_changes()")
        (changes,) = cursor.fetchone()
    rows = Note.objects.extra(where=[ONLY_ONCE], params=[changes])
    assert rows.count() == 2
    with pytest.raises(UnitOfWorkError, match=r"0 rows were (updated|deleted) and 2 had been selected"):
        with transaction.atomic():
            write(rows)
    assert list(Note.objects.values_list("amount", flat=True)) == [0, 0]
    assert raw_count(Pending) == 0


def test_a_condition_of_raw_sql_keeps_its_parameters_in_order():
    make_rows()
    rows = Note.objects.annotate(raw=RawSQL("amount + %s", [10])).filter(raw__gte=12, title__contains="n")
    assert rows.update(amount=F("amount") + 5, title="100 %") == 3
    assert sorted(event.entity_id for event in pending_events()) == ["2", "3", "4"]
    assert Note.objects.filter(title="100 %").count() == 3
