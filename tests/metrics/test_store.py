"""What a process has counted stands in the database, once."""

from contextlib import nullcontext

import pytest
from django.db import DatabaseError, connection

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics import store as module
from django_clean_timestamps.metrics.models import (
    MetricExample,
    MetricMinute,
    MetricReason,
    MetricSeries,
    MetricWriter,
)
from django_clean_timestamps.metrics.process import ProcessFacts
from django_clean_timestamps.metrics.recorder import OTHER
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.metrics.store import SeriesIds, Store, TooLate
from tests.metrics.recordings import recorder

pytestmark = pytest.mark.django_db

SAVE = ("shop.order", "update", "ok", "default")
TOUCH = ("shop.order", "touch", "ok", "default")


@pytest.fixture
def clock(monkeypatch):
    """Let the database's clock stand still where the store reads it; return what sets it."""
    now = {"at": 1_800_000_030}

    class At:
        @staticmethod
        def timestamp():
            return now["at"]

    monkeypatch.setattr(module, "database_now", lambda using: At)

    def move(seconds):
        now["at"] += seconds

    return move


@pytest.fixture
def made(clock):
    return Store(recorder(), "default", ProcessFacts("web", "host", "1.0"))


def stored():
    names = {row.pk: row.operation for row in MetricSeries.objects.all()}
    return sorted(
        (names[row.series_id], row.start, row.row_count, Sketch.from_bytes(row.sketch).count)
        for row in MetricMinute.objects.all()
    )


def test_a_minute_is_one_row_of_each_series_written_anew_each_time(made, clock):
    made.recorder.observe(SAVE, 0.001)
    made.recorder.observe(TOUCH, 0.001, 5)
    assert made.flush() == 2
    made.recorder.observe(SAVE, 0.002)
    clock(10)
    assert made.flush() == 1
    assert made.flush() == 0
    assert stored() == [("touch", 1_800_000_000, 5, 1), ("update", 1_800_000_000, 2, 2)]
    assert set(MetricMinute.objects.values_list("writer_id", flat=True)) == {made.recorder.writer}


def test_two_processes_have_rows_of_their_own(made):
    other = Store(recorder(), "default", made.process)
    for each in (made, other):
        each.recorder.observe(SAVE, 0.001)
        each.flush()
    assert stored() == [("update", 1_800_000_000, 1, 1)] * 2
    assert MetricSeries.objects.count() == 1


def test_reasons_and_examples_go_along(made):
    for number in range(7):
        made.recorder.observe(SAVE, number / 1_000, 1, number, "import" if number else "other")
    made.flush()
    made.recorder.observe(SAVE, 1.0, 1, "slow", "import")
    made.flush()
    assert sorted(MetricReason.objects.values_list("reason", "count")) == [("import", 7), ("other", 1)]
    examples = MetricExample.objects.order_by("rank").values_list("rank", "seconds", "entity_id", "reason")
    assert list(examples)[:2] == [(0, 1.0, "slow", "import"), (1, 0.006, "6", "import")]
    assert len(examples) == 5


def test_a_flush_that_fails_loses_nothing(made, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("down")

    made.recorder.observe(SAVE, 0.001, 1, "7", "import")
    with monkeypatch.context() as patch, pytest.raises(DatabaseError):
        patch.setattr(module, "upsert", fail)
        made.flush()
    made.recorder.observe(SAVE, 0.001)
    assert made.flush() == 1
    assert stored() == [("update", 1_800_000_000, 2, 2)]
    assert MetricReason.objects.get().count == 1


@pytest.mark.parametrize("has_succeeded", [True, False])
def test_a_flush_of_which_nobody_knows_is_looked_up_once_its_minute_is_closed(made, clock, monkeypatch, has_succeeded):
    written = module.upsert

    def break_off(using, rows, **kwargs):
        if has_succeeded:
            written(using, rows, **kwargs)
        raise DatabaseError("the connection was lost")

    made.recorder.observe(SAVE, 0.001)
    # As if the COMMIT had been sent: nothing of it is taken back.
    monkeypatch.setattr(module, "own_transaction", lambda *args, **kwargs: nullcontext())
    with monkeypatch.context() as patch, pytest.raises(DatabaseError):
        patch.setattr(module, "upsert", break_off)
        made.flush()
    clock(600)
    made.recorder.time += 600
    made.recorder.observe(SAVE, 0.001)
    made.flush()
    first = [("update", 1_800_000_000, 1, 1)] if has_succeeded else []
    assert stored() == [*first, ("update", 1_800_000_600, 2 - has_succeeded, 2 - has_succeeded)]


def test_the_clock_of_the_machine_is_compared_with_that_of_the_database(made):
    made.recorder.time += 12.5
    made.flush()
    assert made.recorder.skew == 12.5


def test_a_sign_of_life(made):
    made.recorder.dropped = 3
    made.beat()
    before = MetricWriter.objects.get()
    made.recorder.dropped = 4
    made.beat()
    writer = MetricWriter.objects.get()
    assert (writer.pk, writer.kind, writer.host, writer.version) == (made.recorder.writer, "web", "host", "1.0")
    assert (before.dropped, writer.dropped) == (3, 4)
    assert writer.started_at == before.started_at <= before.seen_at <= writer.seen_at
    assert abs((database_now("default") - writer.seen_at).total_seconds()) < 60


class TestSeries:
    def test_each_has_one_number(self):
        first, second = SeriesIds("default"), SeriesIds("default")
        assert first.of([SAVE, TOUCH])[SAVE] == second.of([TOUCH, SAVE])[SAVE]
        number = first.of([SAVE])[SAVE]
        assert second.names([number])[number] == SAVE

    def test_of_numbers_that_are_new_the_names_are_read(self):
        first, second = SeriesIds("default"), SeriesIds("default")
        assert second.names([]) == {}
        number = first.of([SAVE])[SAVE]
        assert second.names([number])[number] == SAVE

    def test_past_a_thousand_in_all_the_rest_is_one(self, monkeypatch, made):
        monkeypatch.setattr(module, "SERIES_IN_ALL", 2)
        for number in range(5):
            made.recorder.observe(("shop.order", f"handler:{number}", "ok", "default"), 0.001)
        made.flush()
        assert MetricSeries.objects.count() == 3
        assert stored() == [
            (OTHER, 1_800_000_000, 3, 3),
            ("handler:0", 1_800_000_000, 1, 1),
            ("handler:1", 1_800_000_000, 1, 1),
        ]


def test_an_upsert_of_nothing_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        module.upsert("default", [], unique=["id"], update=["kind"])


def test_a_flush_of_nothing_only_reads_the_clock(made, django_assert_num_queries):
    made.flush()
    with django_assert_num_queries(0):
        made.flush()
    assert connection.vendor


class TestStandingStill:
    """A process may be stopped at any moment: its minute is closed meanwhile."""

    def stop_for(self, made, monkeypatch, clock, seconds):
        write = made._write_minutes

        def write_late(*arguments):
            write(*arguments)
            clock(seconds)

        monkeypatch.setattr(made, "_write_minutes", write_late)

    def test_what_it_was_about_to_write_goes_into_another_minute(self, made, monkeypatch, clock):
        made.recorder.observe(SAVE, 0.001)
        with pytest.MonkeyPatch.context() as patch:
            self.stop_for(made, patch, clock, 170)
            with pytest.raises(TooLate, match="the minute from 1800000000"):
                made.flush()
        assert stored() == []
        made.flush()
        assert stored() == [("update", 1_800_000_180, 1, 1)]

    def test_reasons_have_no_minute_that_could_be_closed(self, made, monkeypatch, clock):
        self.stop_for(made, monkeypatch, clock, 170)
        made.recorder.details.add(1_800_000_000, SAVE, [(0.001, 1, None, "seen")])
        made.flush()
        assert MetricReason.objects.get().count == 1

    def test_as_long_as_it_is_open_it_is_written(self, made, monkeypatch, clock):
        made.recorder.observe(SAVE, 0.001)
        self.stop_for(made, monkeypatch, clock, 169)
        made.flush()
        assert stored() == [("update", 1_800_000_000, 1, 1)]
