import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import Unit
from django_clean_timestamps.admin.charts.axes import LOG_FLOOR, axis_of_bounds, linear_axis, log_axis
from django_clean_timestamps.admin.charts.checking import HIGHEST

any_figures = st.lists(st.floats(min_value=0, max_value=HIGHEST), max_size=20)


@given(any_figures, st.sampled_from(Unit))
def test_a_linear_axis_holds_every_figure_between_0_and_a_round_one(values, unit):
    axis = linear_axis(values, unit=unit)
    assert axis.low == axis.ticks[0] == 0
    assert all(value <= axis.high for value in values)
    assert 2 <= len(axis.ticks) <= 7
    assert all(math.isfinite(tick) for tick in axis.ticks)
    assert list(axis.ticks) == sorted(set(axis.ticks))


@given(any_figures)
def test_a_logarithmic_axis_holds_every_figure_above_its_floor(values):
    axis = log_axis(values)
    assert 0 < axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in values if value >= LOG_FLOOR)
    assert 2 <= len(axis.ticks) <= 10
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


@given(any_figures.filter(bool), st.data())
def test_a_place_on_an_axis_can_be_read_back(values, data):
    value = data.draw(st.sampled_from(values))
    for axis in (linear_axis(values, unit=Unit.COUNT), log_axis(values)):
        share = axis.share_of(value)
        assert 0 <= share <= 1
        found = axis.value_at(share)
        assert math.isclose(found, max(value, axis.low), rel_tol=1e-6, abs_tol=axis.high * 1e-12)


def test_a_zero_stands_at_the_floor_of_a_logarithmic_axis():
    axis = log_axis([0, 0.001, 0.01])
    assert axis.share_of(0) == 0
    assert axis.low == 0.001


def test_latencies_stand_at_1_2_and_5():
    assert log_axis([0.0007, 0.0105]).ticks == (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)


def test_equal_latencies_have_room_above_and_below():
    assert log_axis([0.005] * 3).ticks == (0.002, 0.005, 0.01)


def test_many_decades_are_told_by_their_powers_of_ten():
    assert log_axis([1e-6, 1]).ticks == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    assert log_axis([1e-9, 1e9]).ticks == tuple(float(f"1e{power}") for power in range(-9, 10, 2))


def test_without_any_figure_an_axis_has_one_to_be_read():
    assert log_axis([]).ticks == (0.001, 0.002, 0.005, 0.01)
    assert linear_axis([], unit=Unit.COUNT).ticks == (0, 1, 2, 3, 4)
    assert linear_axis([0, 0], unit=Unit.SHARE).high == 0.01


@pytest.mark.parametrize(
    ("top", "unit", "ticks"),
    [
        (3, Unit.COUNT, (0, 1, 2, 3)),
        (1, Unit.COUNT, (0, 1)),
        (47, Unit.COUNT, (0, 10, 20, 30, 40, 50)),
        (0.011, Unit.SHARE, (0, 0.005, 0.01, 0.015)),
        (119, Unit.SECONDS, (0, 50, 100, 150)),
        (960, Unit.SECONDS, (0, 300, 600, 900, 1200)),
        (36_000, Unit.SECONDS, (0, 7200, 14_400, 21_600, 28_800, 36_000)),
        (3_000_000, Unit.SECONDS, (0, 691_200, 1_382_400, 2_073_600, 2_764_800, 3_456_000)),
    ],
)
def test_a_linear_axis_has_round_figures_of_its_unit(top, unit, ticks):
    assert linear_axis([top], unit=unit).ticks == pytest.approx(ticks)


def test_an_axis_of_buckets_begins_and_ends_with_their_bounds():
    axis = axis_of_bounds((0.0003, 0.003, 0.03))
    assert (axis.low, axis.high) == (0.0003, 0.03)
    assert axis.ticks == (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)


def test_buckets_between_two_round_figures_have_none():
    assert axis_of_bounds((0.0011, 0.0012)).ticks == ()
