"""The ids of events that the database makes."""

from datetime import timedelta

import pytest

from django_clean_timestamps.eventlog.models import Pending
from tests.eventlog.set_based.both_paths import (
    NOW,
    all_are_version_seven,
    ids_after,
)
from tests.testapp.models import (
    Note,
)

pytestmark = pytest.mark.django_db


TEN_THOUSAND = 10_000


def test_ten_thousand_events_of_each_kind_of_write_have_ids_of_their_own(clock):
    reading = clock.tick(60)
    notes = [Note(pk=number, amount=number) for number in range(1, TEN_THOUSAND + 1)]
    seen = []
    for write in (
        lambda: Note.objects.bulk_create(notes),
        lambda: Note.objects.update(amount=1),
        lambda: Note.objects.all().touch(),
        lambda: Note.objects.all().delete(),
    ):
        ids = ids_after(write)
        assert len(ids) == TEN_THOUSAND
        all_are_version_seven(ids, reading)
        seen += ids
    assert len(set(seen)) == 4 * TEN_THOUSAND


def test_rows_with_stamps_of_their_own_have_such_ids_too(clock):
    old = NOW - timedelta(days=4000)
    notes = [
        Note(pk=n, created_at=old + timedelta(seconds=n), updated_at=old + timedelta(seconds=n)) for n in range(1, 2001)
    ]
    all_are_version_seven(ids_after(lambda: Note.objects.bulk_create(notes)), NOW)


def test_ids_of_later_writes_sort_after_those_of_earlier_ones(clock):
    Note.objects.bulk_create([Note(), Note()])
    clock.tick(0.001)
    Note.objects.update(amount=1)
    clock.tick(0.001)
    Note.objects.all().delete()
    ids = list(Pending.objects.order_by("id").values_list("event_id", flat=True))
    assert [each.int >> 64 for each in ids] == sorted(each.int >> 64 for each in ids)


@pytest.mark.parametrize("apart", [False, True], ids=["stamped alike", "stamped apart"])
def test_the_events_of_a_bulk_create_stand_in_the_order_of_its_rows(apart):
    keys = [5, 3, 9, 1, 7]
    given = {"created_at": NOW} if apart else {}
    Note.objects.bulk_create([Note(pk=5, **given), *(Note(pk=key) for key in keys[1:])])
    assert list(Pending.objects.order_by("id").values_list("entity_id", flat=True)) == list(map(str, keys))
