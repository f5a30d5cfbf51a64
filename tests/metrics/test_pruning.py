"""What is old is let go, and an hour's details become those of all processes."""

from datetime import UTC, datetime, timedelta

import pytest

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics import pruning as module
from django_clean_timestamps.metrics.lease import LeaseLost, take_lease
from django_clean_timestamps.metrics.models import (
    MetricExample,
    MetricLease,
    MetricMinute,
    MetricReason,
    MetricRollup,
    MetricSample,
    MetricWriter,
)
from django_clean_timestamps.metrics.pruning import KEPT_SECONDS, Pruning
from tests.metrics.figures import MIDNIGHT, SAVE, write_minute

pytestmark = pytest.mark.django_db

NOW = MIDNIGHT + 500 * 86_400


def prune(now=NOW):
    Pruning("default").prune(take_lease("default", 1), now)


def sample(tier, start):
    MetricSample.objects.create(tier=tier, start=start, kind="log", log_alias="default", waiting=0, position=0)


def rollup(tier, start):
    MetricRollup.objects.create(tier=tier, start=start, series_id=1, count=1, row_count=1, total_seconds=1, sketch=b"1")


@pytest.mark.parametrize("tier", KEPT_SECONDS)
@pytest.mark.parametrize(("make", "model"), [(sample, MetricSample), (rollup, MetricRollup)])
def test_each_tier_is_kept_for_its_time(tier, make, model):
    kept = NOW - KEPT_SECONDS[tier]
    make(tier, kept)
    make(tier, kept - 1)
    prune()
    assert list(model.objects.values_list("start", flat=True)) == [kept]


def test_minutes_of_processes_live_for_a_quarter_of_an_hour():
    write_minute(NOW - 900, SAVE, [0.001])
    write_minute(NOW - 960, SAVE, [0.001])
    prune()
    assert MetricMinute.objects.get().start == NOW - 900


def test_a_process_is_shown_for_a_day_after_its_end():
    now = database_now("default")
    for number, age in ((1, timedelta(hours=23)), (2, timedelta(hours=25))):
        MetricWriter.objects.create(pk=number, kind="web", host="h", version="1", seen_at=now - age)
    prune()
    assert MetricWriter.objects.get().pk == 1


def test_many_rows_go_in_short_transactions(monkeypatch):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    for second in range(5):
        sample(0, second)
    prune()
    assert not MetricSample.objects.exists()


def test_it_is_done_every_ten_minutes():
    prune()
    sample(0, 0)
    prune(NOW + 599)
    assert MetricSample.objects.exists()
    prune(NOW + 600)
    assert not MetricSample.objects.exists()
    assert MetricLease.objects.get().pruned_at == NOW + 600


def test_whoever_lost_the_lease_deletes_nothing():
    sample(0, 0)
    lease = take_lease("default", 1)
    MetricLease.objects.update(epoch=99)
    with pytest.raises(LeaseLost):
        Pruning("default").prune(lease, NOW)
    assert MetricSample.objects.exists()


class TestDetails:
    HOUR = NOW - NOW % 3_600 - 7_200

    def reason(self, writer, reason, count, hour=HOUR):
        MetricReason.objects.create(hour=hour, series_id=1, writer_id=writer, reason=reason, count=count)

    def example(self, writer, rank, seconds, hour=HOUR):
        MetricExample.objects.create(
            hour=hour,
            series_id=1,
            writer_id=writer,
            rank=rank,
            seconds=seconds,
            occurred_at=datetime.fromtimestamp(hour, UTC),
            entity_id=f"{writer}.{rank}",
            reason="why",
        )

    def test_reasons_of_a_past_hour_are_summed(self):
        self.reason(5, "a", 1)
        self.reason(6, "a", 2)
        self.reason(6, "b", 4)
        for _ in range(2):
            prune()
            MetricLease.objects.update(pruned_at=0)
        rows = MetricReason.objects.order_by("reason").values_list("writer_id", "reason", "count")
        assert list(rows) == [(0, "a", 3), (0, "b", 4)]

    def test_of_the_examples_the_slowest_stay(self):
        for writer in (5, 6):
            for rank in range(5):
                self.example(writer, rank, 10 - rank - writer / 10)
        prune()
        rows = MetricExample.objects.order_by("rank").values_list("writer_id", "rank", "entity_id", "reason")
        assert list(rows) == [
            (0, 0, "5.0", "why"),
            (0, 1, "6.0", "why"),
            (0, 2, "5.1", "why"),
            (0, 3, "6.1", "why"),
            (0, 4, "5.2", "why"),
        ]

    def test_an_hour_that_may_still_be_written_is_left_alone(self):
        self.reason(5, "a", 1, hour=NOW - 3_600 - 659)
        prune()
        assert MetricReason.objects.get().writer_id == 5

    def test_old_ones_are_deleted(self):
        self.reason(5, "a", 1, hour=NOW - 8 * 86_400)
        self.example(5, 0, 1.0, hour=NOW - 90_000)
        prune()
        assert not MetricReason.objects.exists()
        assert not MetricExample.objects.exists()
