"""Latency, errors and rates by time are those that were observed."""

import pytest

from django_clean_timestamps.metrics.alerts.judging import wilson_bounds
from django_clean_timestamps.metrics.queries import trends as module
from django_clean_timestamps.metrics.queries.filters import Filters
from django_clean_timestamps.metrics.queries.trends import read_rates, read_trend
from tests.metrics.figures import HANDLER, MIDNIGHT, SAVE, write_minute

pytestmark = pytest.mark.django_db

INVALID = ("shop.order", "update", "invalid", "default")
OTHER = ("shop.item", "create", "ok", "other")


def hour(**values):
    return Filters(range="1h", start=MIDNIGHT, end=MIDNIGHT + 3_600, **values)


def at(values, minute):
    return values[minute]


@pytest.fixture
def series(rolled):
    write_minute(MIDNIGHT, SAVE, [0.001] * 90 + [0.1] * 10)
    write_minute(MIDNIGHT, INVALID, [0.0001] * 10)
    write_minute(MIDNIGHT, OTHER, [0.2] * 100)
    write_minute(MIDNIGHT + 600, SAVE, [0.002])
    write_minute(MIDNIGHT + 600, ("shop.order", "update", "failed", "default"), [0.5])
    return rolled()


def test_every_minute_has_a_place_and_those_without_operations_no_figure(series):
    trend = read_trend("default", hour(), series)
    assert len(trend.times) == len(trend.p95) == len(trend.error_rate) == 60
    assert trend.step_seconds == 60
    assert [place for place, value in enumerate(trend.p50) if value is not None] == [0, 10]
    assert [place for place, value in enumerate(trend.error_rate) if value is not None] == [0, 10]
    assert (trend.total[0], trend.total[1], trend.total[10]) == (210, 0, 2)


def test_quantiles_are_of_what_went_well(series):
    trend = read_trend("default", hour(), series)
    assert trend.p50[0] == pytest.approx(0.1, rel=0.006)
    assert trend.p99[10] == pytest.approx(0.002, rel=0.006)


def test_one_model_is_read_apart(series, django_assert_num_queries):
    with django_assert_num_queries(1):
        trend = read_trend("default", hour(model="shop.order"), series)
    assert trend.p50[0] == pytest.approx(0.001, rel=0.006)
    assert trend.p95[0] == pytest.approx(0.1, rel=0.006)
    assert (trend.ok[0], trend.invalid[0], trend.failed[10]) == (100, 10, 1)


def test_the_error_rate_has_its_bounds(series):
    trend = read_trend("default", hour(model="shop.order"), series)
    assert trend.error_rate[0] == 10 / 110
    assert (trend.error_lower[0], trend.error_upper[0]) == wilson_bounds(10, 110)
    assert trend.error_rate[10] == 0


def test_several_series_are_merged(series):
    write_minute(MIDNIGHT + 120, ("shop.order", "create", "ok", "default"), [0.001] * 99)
    trend = read_trend("default", hour(database="default"), series)
    assert trend.p50[0] == pytest.approx(0.001, rel=0.006)
    two = read_trend("default", hour(outcome="ok", database="other"), series)
    assert two.p50[0] == pytest.approx(0.2, rel=0.006)
    assert two.invalid == two.failed == (0,) * 60


def test_merged_they_are_as_if_they_had_been_one(rolled):
    write_minute(MIDNIGHT, SAVE, [0.001] * 50)
    write_minute(MIDNIGHT, ("shop.order", "create", "ok", "default"), [0.004] * 50)
    write_minute(MIDNIGHT, ("shop.order", "create", "invalid", "default"), [0.004] * 5)
    trend = read_trend("default", hour(model="shop.order"), rolled())
    assert trend.p50[0] == pytest.approx(0.001, rel=0.006)
    assert trend.p99[0] == pytest.approx(0.004, rel=0.006)
    assert (trend.ok[0], trend.invalid[0]) == (100, 5)


def test_one_outcome_alone(series):
    trend = read_trend("default", hour(model="shop.order", outcome="invalid"), series)
    assert trend.p50[0] == pytest.approx(0.0001, rel=0.006)
    assert (trend.ok[0], trend.invalid[0], trend.error_rate[0]) == (100, 10, 10 / 110)


def test_many_series_over_a_long_time_are_read_by_a_longer_tier(rolled, monkeypatch):
    write_minute(MIDNIGHT, SAVE, [0.001])
    write_minute(MIDNIGHT, ("shop.order", "create", "ok", "default"), [0.004])
    series = rolled()
    monkeypatch.setattr(module, "MERGES_AT_MOST", 20)
    trend = read_trend("default", hour(model="shop.order"), series)
    assert trend.step_seconds == 600
    assert trend.ok[0] == 2


def test_before_anything_was_recorded_there_is_nothing():
    trend = read_trend("default", hour(), {})
    assert set(trend.p95) == {None}
    assert set(trend.total) == {0}


class TestRates:
    def test_events_a_second(self, rolled, django_assert_num_queries):
        write_minute(MIDNIGHT, ("", "write_events", "ok", "default"), [0.001], rows=120)
        write_minute(MIDNIGHT, ("", "write_events", "ok", "other"), [0.001], rows=60)
        write_minute(MIDNIGHT, HANDLER, [0.001] * 30)
        write_minute(MIDNIGHT, ("", "handler:shop.mail", "failed", "default"), [0.001] * 6)
        write_minute(MIDNIGHT + 60, HANDLER, [0.001] * 6)
        series = rolled()
        with django_assert_num_queries(1):
            rates = read_rates("default", hour(), series)
        assert rates.written[:3] == (3.0, None, None)
        assert rates.delivered[:3] == (0.5, 0.1, None)
        assert rates.failed[:3] == (0.1, 0.0, None)
