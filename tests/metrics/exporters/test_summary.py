"""How things stand in a few figures."""

from datetime import UTC, datetime

import pytest

from django_clean_timestamps.metrics.exporters.summary import read_summary
from django_clean_timestamps.metrics.queries.processes import Freshness
from django_clean_timestamps.metrics.queries.rows import read_series
from tests.metrics.exporters.observed import living, roll_up, sample
from tests.metrics.figures import HANDLER, INVALID, MIDNIGHT, SAVE, write_minute

pytestmark = pytest.mark.django_db

FAILED = ("shop.order", "touch", "failed", "default")
NOW = MIDNIGHT + 3_600


def write(start, series, seconds):
    write_minute(start, series, seconds)
    roll_up(start + 30)


def summed(now=NOW, sampled_at=0):
    moment = datetime.fromtimestamp(now, UTC)
    freshness = Freshness(now=moment, sampled_at=sampled_at, evaluated_at=0, age_seconds=None)
    return read_summary("default", freshness, read_series("default"))


def test_where_nothing_was_recorded_nothing_is_claimed():
    found = summed()
    assert (found.operations.ok, found.operations.p95, found.operations.error_rate) == (0, None, None)
    assert (found.waiting_count, found.oldest_seconds, found.parked_count, found.dead_count) == (None, None, 0, 0)
    assert found.living_count == 0


def test_the_last_ten_minutes_are_told_of_where_there_is_enough():
    write(NOW - 1_200, SAVE, [9.0] * 100)
    write(NOW - 60, SAVE, [0.001] * 94 + [0.008] * 6)
    write(NOW - 60, INVALID, [0.001] * 3)
    write(NOW - 60, FAILED, [0.001] * 1)
    write(NOW - 60, HANDLER, [0.1] * 50)
    latest = summed().operations
    assert (latest.ok, latest.invalid, latest.failed) == (100, 3, 1)
    assert latest.p50 == pytest.approx(0.001, rel=0.006)
    assert latest.p95 == pytest.approx(0.008, rel=0.006)
    assert latest.error_rate == 3 / 104
    assert 0 < latest.error_lower < latest.error_rate < latest.error_upper < 1
    assert latest.since == datetime.fromtimestamp(NOW - 600, UTC)
    assert latest.until == datetime.fromtimestamp(NOW + 1, UTC)


def test_with_few_operations_the_hour_is_told_of():
    write(NOW - 1_200, SAVE, [0.004] * 30)
    write(NOW - 60, SAVE, [0.001] * 19)
    latest = summed().operations
    assert latest.ok == 49
    assert latest.p95 == pytest.approx(0.004, rel=0.006)
    assert latest.since == datetime.fromtimestamp(NOW - 3_600, UTC)


def test_what_is_longer_ago_than_an_hour_is_not_the_latest():
    write(NOW - 7_200, SAVE, [0.004] * 30)
    assert summed().operations.ok == 0


def test_the_worst_that_nothing_explains_waits():
    sample(NOW, kind="log", waiting=2, oldest_seconds=0.5)
    sample(NOW, handler="shop.mail", state="active", waiting=7, oldest_seconds=12.5, parked=3, dead=1)
    sample(NOW, handler="shop.index", state="backing_off", waiting=9, oldest_seconds=None, parked=1, dead=2)
    sample(NOW, handler="shop.slow", state="paused", waiting=900, oldest_seconds=9_000, parked=4, dead=0)
    found = summed(sampled_at=NOW)
    assert (found.waiting_count, found.oldest_seconds) == (9, 12.5)
    assert (found.parked_count, found.dead_count) == (8, 3)


def test_it_costs_four_statements(django_assert_num_queries):
    living(1, "web")
    write(NOW - 60, SAVE, [0.001])
    names = read_series("default")
    freshness = Freshness(now=datetime.fromtimestamp(NOW, UTC), sampled_at=0, evaluated_at=0, age_seconds=None)
    with django_assert_num_queries(4):
        assert read_summary("default", freshness, names).living_count == 1
