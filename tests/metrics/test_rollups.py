"""Minutes of all processes become one, and these ten minutes, hours and days."""

import pytest

from django_clean_timestamps.metrics.lease import LeaseLost, take_lease
from django_clean_timestamps.metrics.models import MetricLease, MetricRollup, MetricTotal, Tier
from django_clean_timestamps.metrics.rollups import CLOSED_SECONDS, Rollups
from django_clean_timestamps.metrics.series import ALL, ALL_EVENTS, ALL_HANDLERS, ALL_ROWS
from django_clean_timestamps.metrics.sketch import Sketch
from tests.metrics.figures import HANDLER, INVALID, MIDNIGHT, SAVE, number_of, write_minute

pytestmark = pytest.mark.django_db

CLOSING = 60 + CLOSED_SECONDS
EVERYTHING = (ALL, ALL_ROWS, "ok", "")


@pytest.fixture
def roll_up():
    rollups = Rollups("default")

    def roll_up(now):
        rollups.roll_up(take_lease("default", 1), now)

    return roll_up


def rolled(tier, series=SAVE):
    rows = MetricRollup.objects.filter(tier=tier, series_id=number_of(series)).order_by("start")
    return [(row.start, row.count, row.row_count) for row in rows]


def total(series=SAVE):
    row = MetricTotal.objects.filter(series_id=number_of(series)).first()
    return None if row is None else (Sketch.from_bytes(row.sketch).count, row.row_count)


def test_what_several_processes_saw_is_one_row(roll_up):
    write_minute(MIDNIGHT, SAVE, [0.001, 0.002], writer=1)
    write_minute(MIDNIGHT, SAVE, [0.006], writer=2, rows=7)
    roll_up(MIDNIGHT + 30)
    row = MetricRollup.objects.get(tier=60, series_id=number_of(SAVE))
    assert (row.start, row.count, row.row_count, row.over_warning, row.over_critical) == (MIDNIGHT, 3, 9, 1, 0)
    assert row.total_seconds == pytest.approx(0.009)
    assert row.p50 == pytest.approx(0.002, rel=0.006)
    assert row.p99 == pytest.approx(0.006, rel=0.006)
    assert total() is None


def test_a_repeated_pass_and_a_repeated_write_change_nothing(roll_up):
    for _ in range(2):
        write_minute(MIDNIGHT, SAVE, [0.001, 0.002])
        roll_up(MIDNIGHT + 30)
        roll_up(MIDNIGHT + 40)
    for _ in range(2):
        roll_up(MIDNIGHT + CLOSING)
    assert rolled(Tier.MINUTE) == rolled(Tier.DAY) == [(MIDNIGHT, 2, 2)]
    assert total() == (2, 2)


def test_a_minute_is_closed_when_nobody_may_write_it_any_more(roll_up):
    write_minute(MIDNIGHT, SAVE, [0.001])
    roll_up(MIDNIGHT + CLOSING - 1)
    assert total() is None
    roll_up(MIDNIGHT + CLOSING)
    assert total() == (1, 1)
    assert rolled(Tier.TEN_MINUTES) == rolled(Tier.HOUR) == rolled(Tier.DAY) == [(MIDNIGHT, 1, 1)]


def test_longer_times_are_sums_of_shorter_ones(roll_up):
    for minute in (0, 9, 10, 59, 60, 1_439):
        write_minute(MIDNIGHT + 60 * minute, SAVE, [0.001])
    roll_up(MIDNIGHT + 86_400 + CLOSING)
    assert rolled(Tier.TEN_MINUTES) == [
        (MIDNIGHT, 2, 2),
        (MIDNIGHT + 600, 1, 1),
        (MIDNIGHT + 3_000, 1, 1),
        (MIDNIGHT + 3_600, 1, 1),
        (MIDNIGHT + 85_800, 1, 1),
    ]
    assert rolled(Tier.HOUR) == [(MIDNIGHT, 4, 4), (MIDNIGHT + 3_600, 1, 1), (MIDNIGHT + 82_800, 1, 1)]
    assert rolled(Tier.DAY) == [(MIDNIGHT, 6, 6)]
    assert total() == (6, 6)


def test_what_every_overview_asks_for_is_summed_by_outcome(roll_up):
    write_minute(MIDNIGHT, SAVE, [0.001] * 3)
    write_minute(MIDNIGHT, ("shop.item", "delete", "ok", "other"), [0.001])
    write_minute(MIDNIGHT, INVALID, [0.001] * 2)
    write_minute(MIDNIGHT, HANDLER, [0.001] * 5)
    write_minute(MIDNIGHT, ("", "write_events", "ok", "default"), [0.001], rows=40)
    write_minute(MIDNIGHT, ("shop.item", "bulk_create", "ok", "default"), [0.001] * 9)
    roll_up(MIDNIGHT + CLOSING)
    for tier in Tier:
        assert rolled(tier, EVERYTHING) == [(MIDNIGHT, 4, 4)]
        assert rolled(tier, (ALL, ALL_ROWS, "invalid", "")) == [(MIDNIGHT, 2, 2)]
        assert rolled(tier, (ALL, ALL_HANDLERS, "ok", "")) == [(MIDNIGHT, 5, 5)]
        assert rolled(tier, (ALL, ALL_EVENTS, "ok", "")) == [(MIDNIGHT, 1, 40)]
    assert total(EVERYTHING) is None
    assert total(HANDLER) == (5, 5)


def test_a_pass_after_a_long_pause_closes_all_that_is_due(roll_up):
    for minute in range(5):
        write_minute(MIDNIGHT + 60 * minute, SAVE, [0.001])
    roll_up(MIDNIGHT + 7_200)
    assert total() == (5, 5)
    assert MetricLease.objects.get().closed_before == MIDNIGHT + 7_200 - CLOSED_SECONDS


def test_whoever_lost_the_lease_changes_nothing():
    write_minute(MIDNIGHT, SAVE, [0.001])
    lease = take_lease("default", 1)
    MetricLease.objects.update(epoch=lease.epoch + 1)
    for now in (MIDNIGHT + 30, MIDNIGHT + CLOSING):
        with pytest.raises(LeaseLost):
            Rollups("default").roll_up(lease, now)
    assert not MetricRollup.objects.exists()
    assert total() is None


def test_between_its_first_and_its_last_sum_a_minute_is_left_alone(roll_up, django_assert_max_num_queries):
    write_minute(MIDNIGHT, SAVE, [0.001])
    roll_up(MIDNIGHT + 150)
    assert rolled(Tier.MINUTE) == []


def test_longer_times_are_known_at_once(roll_up):
    write_minute(MIDNIGHT, SAVE, [0.001])
    roll_up(MIDNIGHT + 5)
    assert rolled(Tier.TEN_MINUTES) == rolled(Tier.DAY) == [(MIDNIGHT, 1, 1)]
