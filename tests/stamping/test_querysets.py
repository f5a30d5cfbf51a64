from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldError
from django.db import NotSupportedError, connection, transaction
from django.db.models import Count

from django_clean_timestamps.context import no_touching, preserve_timestamps, stamped_at, timestamp_context
from django_clean_timestamps.exceptions import ImmutableTimestampError, InvalidTimestampError
from tests.testapp.models import Legacy, Note, Project, Puppy, Seat, Task

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


def rows_of_an_hour(clock):
    """Four rows, one every twenty minutes."""
    notes = []
    for _ in range(4):
        notes.append(Note.objects.create())
        clock.tick(1200)
    return notes


# Reading.


def test_created_between_includes_both_ends(clock):
    first, second, third, _ = rows_of_an_hour(clock)
    found = Note.objects.created_between(first.created_at, third.created_at)
    assert list(found.order_by("pk")) == [first, second, third]
    assert list(Note.objects.all().created_between(second.created_at, third.created_at - TICK)) == [second]


def test_updated_between_includes_both_ends(clock):
    first, second, third, fourth = rows_of_an_hour(clock)
    first.touch()
    assert list(Note.objects.updated_between(second.updated_at, fourth.updated_at).order_by("pk")) == [
        second,
        third,
        fourth,
    ]
    assert list(Note.objects.updated_between(first.updated_at, first.updated_at)) == [first]


def test_stale_takes_how_long(clock):
    first, second, *_ = rows_of_an_hour(clock)
    # The second was written exactly an hour ago, which is not longer than an hour.
    assert list(Note.objects.stale(timedelta(hours=1))) == [first]
    assert set(Note.objects.stale(timedelta(minutes=59))) == {first, second}


def test_stale_takes_since_when(clock):
    first, second, *_ = rows_of_an_hour(clock)
    assert list(Note.objects.stale(second.updated_at)) == [first]


def test_timestamp_stats_are_one_query(clock, queries):
    first, *_, last = rows_of_an_hour(clock)
    first.touch()
    with queries() as statements:
        stats = Note.objects.timestamp_stats()
    assert len(statements.texts) == 1
    assert stats == {
        "count": 4,
        "oldest_created_at": first.created_at,
        "newest_created_at": last.created_at,
        "oldest_updated_at": first.created_at + timedelta(minutes=20),
        "newest_updated_at": first.updated_at,
    }


def test_timestamp_stats_of_no_row_are_none():
    stats = Note.objects.none().timestamp_stats()
    assert stats.pop("count") == 0
    assert set(stats.values()) == {None}


def test_timestamp_stats_take_ordered_filtered_and_async_querysets(clock):
    _, second, *_ = rows_of_an_hour(clock)
    stats = async_to_sync(Note.objects.filter(pk=second.pk).order_by("-pk").atimestamp_stats)()
    assert (stats["count"], stats["oldest_created_at"]) == (1, second.created_at)


def test_timestamp_stats_of_several_tables_and_composite_keys(clock):
    Puppy.objects.create()
    Seat.objects.create(row=1, number=1)
    assert Puppy.objects.timestamp_stats()["count"] == 1
    assert Seat.objects.filter(row=1).timestamp_stats()["newest_updated_at"] == clock.now


# Touching.


def test_touch_stamps_all_rows_with_one_reading(clock, audience):
    notes = [Note.objects.create() for _ in range(3)]
    now = clock.tick()
    with audience.listening() as heard:
        assert Note.objects.exclude(pk=notes[2].pk).touch("reviewed") == 2
    assert Note.objects.filter(updated_at=now).count() == 2
    heard.are(f"updated note {notes[0].pk}", f"updated note {notes[1].pk}")
    assert {event.reason for event in heard} <= {"reviewed"}


def test_touch_is_one_statement_when_nobody_listens(queries, without_log):
    Note.objects.create()
    with queries() as statements:
        Note.objects.touch()
    assert [text.split()[0] for text in statements.texts] == ["UPDATE"]


def test_atouch_stamps(clock, audience):
    note = Note.objects.create()
    now = clock.tick()
    with audience.listening() as heard:
        assert async_to_sync(Note.objects.all().atouch)("why", fields=["seen_at"]) == 1
    row = Note.objects.get()
    assert (row.updated_at, row.seen_at) == (now, now)
    heard.are(f"updated note {note.pk}")


def test_touch_moves_other_datetime_fields_along(clock, audience):
    Note.objects.create()
    now = clock.tick()
    with audience.listening():
        Note.objects.touch(fields=["seen_at", "updated_at", "seen_at"])
    row = Note.objects.get()
    assert (row.seen_at, row.updated_at) == (now, now)


def test_touch_writes_a_given_time_exactly(clock, audience):
    note = Note.objects.create()
    given = note.created_at + TICK
    clock.tick(60)
    with audience.listening() as heard:
        for _ in range(2):
            Note.objects.touch(at=given, fields=["seen_at"])
    row = Note.objects.get()
    assert (row.seen_at, row.updated_at) == (given, given)
    assert [event.occurred_at for event in heard] == [given, given] * heard.is_told


@pytest.mark.parametrize(
    "at", [datetime(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)], ids=repr
)
def test_touch_refuses_a_bad_time(clock, audience, at):
    note = Note.objects.create()
    with audience.listening() as heard, pytest.raises(InvalidTimestampError):
        Note.objects.touch(at=at)
    assert Note.objects.get().updated_at == note.updated_at
    heard.are()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (["nothing"], FieldError),
        (["title"], FieldError),
        (["day"], FieldError),
        (["created_at"], ImmutableTimestampError),
        ("seen_at", TypeError),
    ],
    ids=str,
)
def test_touch_refuses_fields_that_it_cannot_move(audience, fields, error):
    Note.objects.create()
    with transaction.atomic():
        with audience.listening() as heard, pytest.raises(error):
            Note.objects.touch(fields=fields)
        assert Note.objects.count() == 1
    heard.are()


def test_touch_refuses_a_reason_that_does_not_fit(audience):
    with audience.listening() as heard, pytest.raises(InvalidTimestampError, match="reason"):
        Note.objects.touch("x" * 201)
    heard.are()


def test_touch_refuses_sliced_and_combined_querysets():
    Note.objects.create()
    with transaction.atomic():
        with pytest.raises(TypeError):
            Note.objects.all()[:1].touch()
        with pytest.raises(NotSupportedError):
            Note.objects.all().union(Note.objects.all()).touch()
        assert Note.objects.count() == 1


def test_no_touching_lets_touch_do_nothing(clock, audience):
    note = Note.objects.create()
    with audience.listening() as heard, no_touching(Note):
        assert Note.objects.touch() == Note.objects.touch(at=clock.now) == 0
    assert Note.objects.get().updated_at == note.updated_at
    heard.are()


def test_preserve_timestamps_lets_touch_do_nothing_without_a_given_time(clock, audience):
    Note.objects.create()
    given = clock.now + TICK
    with audience.listening(), preserve_timestamps():
        assert Note.objects.touch() == 0
        assert Note.objects.touch(at=given) == 1
        assert Note.objects.get().updated_at == given
        with stamped_at(given + TICK):
            assert Note.objects.touch() == 1
    assert Note.objects.get().updated_at == given + TICK


def test_a_passed_reason_wins_over_the_contexts(audience):
    Note.objects.create()
    with audience.listening() as heard, timestamp_context(reason="outer", actor="7"):
        Note.objects.touch("inner")
        Note.objects.touch()
    assert [(event.reason, event.actor) for event in heard] == [("inner", "7"), ("outer", "7")] * heard.is_told


def test_touch_takes_joined_and_grouped_querysets(clock, audience):
    project = Project.objects.create(name="p")
    Task.objects.create(project=project)
    Project.objects.create(name="q")
    with audience.listening() as heard:
        assert Project.objects.annotate(n=Count("tasks")).filter(n=1).touch() == 1
        assert Project.objects.filter(tasks__isnull=False).touch() == 1
    heard.are(*[f"updated project {project.pk}"] * 2)


def test_touch_of_several_tables_bumps_the_parents_row(clock, audience):
    puppy = Puppy.objects.create()
    now = clock.tick()
    with audience.listening() as heard:
        assert Puppy.objects.touch() == 1
    assert Puppy.objects.get().updated_at == now
    heard.are(f"updated puppy {puppy.pk}")


def test_other_models_are_left_alone(queries):
    Legacy.objects.create()
    with queries() as statements:
        Legacy.objects.update(title="x")
        Legacy.objects.all().delete()
    assert len(statements.texts) == 2
    assert connection.vendor


@pytest.mark.parametrize("name", ["touch", "atouch", "update", "bulk_create", "bulk_update", "delete"])
def test_templates_must_not_call_what_writes(name):
    assert getattr(Note.objects.all(), name).alters_data
