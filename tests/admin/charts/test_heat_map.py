import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import path_boxes, render, summary_of
from django_clean_timestamps.admin.charts.heat_map import SHADE_COUNT, draw_heat_map, shade_of
from tests.admin.charts.examples import CRITICAL, WARNING, heat_map, text_of

counts = st.integers(min_value=0, max_value=10**6)
rows = st.lists(st.none() | st.tuples(counts, counts, counts), min_size=1, max_size=20)


@given(rows)
def test_each_cell_has_the_shade_of_its_count(given_rows):
    chart = heat_map(*given_rows)
    drawing = draw_heat_map(chart)
    found = {}
    for shade, path in drawing.shades:
        for box in path_boxes(path):
            row = next(
                place
                for place, bound in enumerate(chart.bounds)
                if drawing.value_axis.share_of(bound) == pytest.approx(box.bottom, abs=1e-5)
            )
            for place in range(round(box.left * len(given_rows)), round(box.right * len(given_rows))):
                found[place, row] = shade
    wanted = {
        (place, row): shade_of(count, drawing.highest)
        for place, each in enumerate(given_rows)
        for row, count in enumerate(each or ())
        if count
    }
    assert found == wanted


@given(st.integers(min_value=1), st.integers(min_value=1))
def test_more_is_never_lighter(first, second):
    highest = max(first, second)
    low, high = shade_of(min(first, second), highest), shade_of(highest, highest)
    assert 1 <= low <= high == SHADE_COUNT


def test_neighbours_of_one_shade_are_one_rectangle():
    ((_shade, path),) = draw_heat_map(heat_map((1, 0, 0), (1, 0, 0), (0, 0, 0), (1, 0, 0))).shades
    assert len(path_boxes(path)) == 2


def test_what_is_not_known_is_a_gap():
    drawing = draw_heat_map(heat_map((1, 0, 0), None))
    assert [(gap.x, gap.width) for gap in drawing.gaps] == [("50%", "50%")]


def test_thresholds_outside_the_buckets_are_left_out():
    drawing = draw_heat_map(heat_map((1, 0, 0), thresholds=(WARNING, CRITICAL)))
    assert [mark.level for mark in drawing.thresholds] == [WARNING.level]


def test_nothing_counted_is_drawn_without_cells():
    chart = heat_map((0, 0, 0))
    assert draw_heat_map(chart).shades == []
    assert "timestamp-ramp" not in render(chart)
    assert "no data" in summary_of(chart)


def test_no_period_at_all_is_told_in_words():
    assert "No data." in render(heat_map())


def test_the_legend_goes_from_one_to_the_most():
    assert "</svg> 1,234</li>" in render(heat_map((1234, 0, 0))).replace("\n", "")


def test_the_summary_tells_most_and_slowest():
    assert (
        text_of(summary_of(heat_map((9, 1, 0)))) == "10 operations; most between 1 ms and 2 ms, the slowest up to 4 ms."
    )
    assert text_of(summary_of(heat_map((1, 0, 0)))).startswith("1 operation; ")
