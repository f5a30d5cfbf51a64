import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts.paths import (
    Box,
    Point,
    area_path,
    box_path,
    dot_path,
    line_path,
    path_boxes,
    path_points,
    runs,
)

shares = st.floats(min_value=0, max_value=1)
points = st.builds(Point, shares, shares)
some_points = st.lists(st.none() | points, max_size=30)


def close(found, wanted):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=6e-6)


@given(some_points)
def test_a_path_goes_through_all_points_and_no_others(given_points):
    found = path_points(line_path(given_points)) + path_points(dot_path(given_points))
    pieces = list(runs(given_points))
    wanted = [run for run in pieces if len(run) > 1] + [run for run in pieces if len(run) == 1]
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        close(one, other)


def test_a_gap_breaks_the_path():
    path = line_path([Point(0, 0), Point(0.1, 1), None, Point(0.3, 1), Point(0.4, 0)])
    assert path == "M0 1000 100 0M300 0 400 1000"


def test_a_lone_point_is_a_dot():
    lone = [None, Point(0.5, 0.25), None]
    assert line_path(lone) == ""
    assert dot_path(lone) == "M500 750h0"


def test_nothing_draws_nothing():
    assert line_path([]) == dot_path([None]) == area_path([], half_width=0) == box_path([]) == ""


@given(st.lists(st.builds(Box, shares, shares, shares, shares), max_size=20))
def test_boxes_can_be_read_back(boxes):
    close(path_boxes(box_path(boxes)), boxes)


def test_an_area_goes_along_the_top_and_back_along_the_bottom():
    edges = [(Point(0, 0.1), Point(0, 0.9)), (Point(1, 0.2), Point(1, 0.8))]
    (around,) = path_points(area_path(edges, half_width=0.1))
    close(around, [(0, 0.9), (1, 0.8), (1, 0.2), (0, 0.1)])


def test_an_area_of_one_period_is_as_wide_as_it():
    (around,) = path_points(area_path([None, (Point(0.5, 0.1), Point(0.5, 0.9))], half_width=0.1))
    close(around, [(0.4, 0.9), (0.6, 0.9), (0.6, 0.1), (0.4, 0.1)])


def test_a_place_just_below_0_is_written_as_0():
    assert line_path([Point(-1e-9, 1.000000001), Point(1, 1)]) == "M0 0 1000 0"
