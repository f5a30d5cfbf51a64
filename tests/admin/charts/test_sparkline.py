import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import path_points, render, summary_of
from django_clean_timestamps.admin.charts.sparkline import draw_sparkline
from tests.admin.charts.examples import figures, some_figures, sparkline, text_of


@given(st.lists(some_figures, max_size=60))
def test_the_line_goes_through_the_figures(values):
    drawing = draw_sparkline(sparkline(*values))
    known = {place: value for place, value in enumerate(values) if value is not None}
    if not known:
        assert drawing is None
        return
    points = [point for piece in path_points(drawing.path) + path_points(drawing.dots) for point in piece]
    found = {round(point.x * len(values) - 0.5): point.y for point in points}
    assert found.keys() == known.keys()
    for place, share in found.items():
        assert share == pytest.approx(drawing.axis.share_of(known[place]), abs=1e-5)


@given(figures)
def test_equal_figures_are_a_line_in_the_middle(value):
    drawing = draw_sparkline(sparkline(value, value))
    assert [point.y for point in path_points(drawing.path)[0]] == pytest.approx([0.5, 0.5], abs=1e-5)


def test_what_hardly_differs_looks_so():
    ys = [point.y for point in path_points(draw_sparkline(sparkline(100, 101)).path)[0]]
    assert max(ys) - min(ys) < 0.1


def test_the_last_period_is_marked_where_it_has_a_figure():
    assert draw_sparkline(sparkline(1, 2)).last_x == "75%"
    assert draw_sparkline(sparkline(1, None)).last_x == ""
    assert "<circle" in render(sparkline(1, 2))
    assert "<circle" not in render(sparkline(1, None))


def test_the_summary_tells_range_and_latest():
    assert text_of(summary_of(sparkline(0.001, 0.003, 0.002))) == "p95: 1 ms to 3 ms; latest 2 ms."


def test_without_figures_there_are_words():
    assert text_of(render(sparkline(None))).strip() == "p95: no data."
