"""``update()`` with stamps that are given to it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.db.models import (
    F,
)
from django.db.models.functions import Now

from django_clean_timestamps.context import (
    preserve_timestamps,
    stamped_at,
)
from django_clean_timestamps.exceptions import ImmutableTimestampError, InvalidTimestampError
from tests.stamping.rows import EARLIER, TICK, notes, stamps
from tests.testapp.models import (
    Note,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])


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
