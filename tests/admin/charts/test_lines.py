import math

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import (
    Band,
    Bars,
    Level,
    Line,
    Threshold,
    Unit,
    path_boxes,
    path_points,
    render,
)
from django_clean_timestamps.admin.charts.line_drawing import LOWER, draw_lines
from tests.admin.charts.examples import (
    CRITICAL,
    MINUTE,
    NOON,
    WARNING,
    data_of,
    lines_of,
    minutes,
    some_figures,
    text_of,
)

scales = st.sampled_from(["log", "linear"])
columns = st.lists(st.tuples(some_figures, some_figures), min_size=1, max_size=40)


# Where the figures stand.


@given(columns, scales, st.booleans())
def test_each_path_goes_through_its_figures(rows, scale, has_bars):
    values = list(zip(*rows, strict=True))
    bars = Bars(key="bars", label="bars", unit=Unit.COUNT, values=values[0]) if has_bars else None
    drawing = draw_lines(lines_of(*values, scale=scale, bars=bars))
    axis, panel = drawing.value_axis, drawing.panel
    for line, given_values in zip(drawing.lines, values, strict=True):
        points = [point for piece in path_points(line.path) + path_points(line.dots) for point in piece]
        found = {
            round(point.x * len(rows) - 0.5): (point.y - 1 + panel.top + panel.height) / panel.height
            for point in points
        }
        assert found.keys() == {place for place, value in enumerate(given_values) if value is not None}
        for place, share in found.items():
            assert share == pytest.approx(axis.share_of(given_values[place]), abs=2e-5)
            given_value = max(given_values[place], axis.low)
            slack = given_value * 2e-5 * math.log(axis.high / axis.low) * 2 if scale == "log" else axis.high * 2e-5
            assert axis.value_at(share) == pytest.approx(given_value, abs=slack)


@given(columns)
def test_each_bar_is_as_high_as_its_figure(rows):
    values = tuple(value for value, _other in rows)
    bars = draw_lines(lines_of(values, bars=Bars(key="b", label="b", unit=Unit.COUNT, values=values))).bars
    boxes = path_boxes(bars.path)
    assert len(boxes) == sum(bool(value) for value in values)
    for box in boxes:
        value = values[math.floor((box.left + box.right) / 2 * len(values))]
        assert (box.top - box.bottom) / LOWER.height == pytest.approx(bars.axis.share_of(value), abs=1e-4)
        assert box.bottom == pytest.approx(0, abs=1e-5)


def test_a_figure_stands_in_the_middle_of_its_period():
    (line,) = draw_lines(lines_of([1, 2])).lines
    assert [point.x for point in path_points(line.path)[0]] == [0.25, 0.75]


def test_a_gap_in_one_line_breaks_that_line_alone():
    first, second = draw_lines(lines_of([1, 2, None, 1, 2], [1, 2, 3, 4, 5])).lines
    assert len(path_points(first.path)) == 2
    assert len(path_points(second.path)) == 1


def test_what_all_lines_lack_is_a_gap():
    drawing = draw_lines(lines_of([1, None, None, 2], [1, 2, None, 2]))
    (gap,) = drawing.gaps
    assert (gap.since, gap.until) == (NOON + 2 * MINUTE, NOON + 3 * MINUTE)
    assert (gap.x, gap.width, gap.middle) == ("50%", "25%", "62.5%")


def test_periods_that_are_not_given_are_a_gap_and_break_the_line():
    chart = lines_of([1, 2, 3, 4], times=(*minutes(2), *minutes(2, since=NOON + 8 * MINUTE)))
    drawing = draw_lines(chart)
    assert [(gap.x, gap.width) for gap in drawing.gaps] == [("20%", "60%")]
    assert [len(piece) for piece in path_points(drawing.lines[0].path)] == [2, 2]


def test_gaps_at_both_ends_are_shaded():
    assert [gap.x for gap in draw_lines(lines_of([None, 1, None, None])).gaps] == ["0%", "50%"]


def test_a_gap_is_labelled_where_there_is_room():
    wide, narrow, least = (draw_lines(lines_of([None] * none + [1] * (100 - none))).gaps[0] for none in (30, 10, 2))
    assert (wide.is_labelled, wide.is_for_wide) == (True, False)
    assert (narrow.is_labelled, narrow.is_for_wide) == (True, True)
    assert not least.is_labelled


def test_a_lone_figure_is_a_dot():
    (line,) = draw_lines(lines_of([None, 1, None])).lines
    assert line.path == ""
    assert len(path_points(line.dots)) == 1


def test_a_band_lies_around_the_figures():
    band = Band(key="b", label="b", lower=(1, None, 1, 1), upper=(2, 2, None, 2), style=2)
    (drawn,) = draw_lines(lines_of([1, 1, 1, 1], bands=(band,))).bands
    assert [len(piece) for piece in path_points(drawn.path)] == [4, 4]
    assert drawn.style == 2


def test_many_bars_leave_no_room_between_them():
    def first(count):
        values = (1,) * count
        return path_boxes(
            draw_lines(lines_of(values, bars=Bars(key="b", label="", unit=Unit.COUNT, values=values))).bars.path
        )[0]

    assert first(10).right - first(10).left == pytest.approx(0.08)
    assert first(200).right - first(200).left == pytest.approx(1 / 200)


# How they are told apart.


def test_lines_have_styles_by_their_place_unless_they_have_their_own():
    values = [[1]] * 7
    assert [line.style for line in draw_lines(lines_of(*values)).lines] == [1, 2, 3, 4, 5, 6, 1]
    own = Line(key="own", label="own", values=(1,), style=4)
    assert [line.style for line in draw_lines(lines_of([1], lines=(own,))).lines] == [4]


def test_the_legend_tells_each_lines_latest_figure():
    first, second = draw_lines(lines_of([0.001, 0.004], [0.001, None])).lines
    assert first.latest.text.split() == ["4", "ms"]
    assert second.latest is None


# Thresholds.


def test_a_logarithmic_axis_has_a_place_for_all_thresholds():
    drawing = draw_lines(lines_of([0.0001], thresholds=(WARNING, CRITICAL)))
    assert not any(mark.is_outside for mark in drawing.thresholds)
    assert [mark.level for mark in drawing.thresholds] == [Level.CRITICAL, Level.WARNING]
    for mark, threshold in zip(drawing.thresholds, (CRITICAL, WARNING), strict=True):
        assert 1 - float(mark.y[:-1]) / 100 == pytest.approx(drawing.value_axis.share_of(threshold.value), abs=1e-4)


def test_a_far_threshold_does_not_press_a_linear_chart_to_the_ground():
    far = (Threshold(value=1000, level=Level.WARNING), Threshold(value=5000, level=Level.CRITICAL))
    drawing = draw_lines(lines_of([3, 5], unit=Unit.COUNT, scale="linear", thresholds=far))
    assert drawing.value_axis.high == 5
    assert [(mark.is_outside, mark.y, mark.shift) for mark in drawing.thresholds] == [
        (True, "0%", 13),
        (True, "0%", 27),
    ]
    assert drawing.thresholds[0].label.startswith("↑ critical")


def test_where_all_is_0_the_first_threshold_is_the_measure():
    far = (Threshold(value=1000, level=Level.WARNING), Threshold(value=5000, level=Level.CRITICAL))
    drawing = draw_lines(lines_of([0, 0], unit=Unit.COUNT, scale="linear", thresholds=far))
    assert drawing.value_axis.high == 1000
    assert [mark.is_outside for mark in drawing.thresholds] == [True, False]


def test_labels_of_close_thresholds_stand_on_either_side_of_them():
    close = (Threshold(value=0.0095, level=Level.WARNING), CRITICAL)
    upper, lower = draw_lines(lines_of([0.0001], thresholds=close)).thresholds
    assert upper.shift < 0 < lower.shift


def test_labels_stand_where_the_lines_leave_more_room():
    busy_left = [0.0052] * 3 + [0.001] * 7
    for values, anchor in ((busy_left, "end"), (busy_left[::-1], "start")):
        (mark,) = draw_lines(lines_of(values, thresholds=(WARNING,))).thresholds
        assert mark.anchor == anchor


# The summary.


def told(chart):
    return text_of(
        render(chart).partition('<p class="timestamp-chart-summary"')[2].partition(">")[2].partition("</p>")[0]
    )


def test_the_summary_tells_range_highest_latest_and_time_over_thresholds():
    chart = lines_of([0.001, 0.0051, 0.006, 0.002], thresholds=(CRITICAL, WARNING))
    assert told(chart) == (
        "p0: 1 ms to 6 ms, the highest at 12:02 p.m.; latest 2 ms; over 5 ms (warning) for 2 minutes; "
        "never over 10 ms (critical)."
    )


def test_a_threshold_that_is_just_met_is_not_exceeded():
    assert "never over 5 ms" in told(lines_of([0.005], thresholds=(WARNING,)))


def test_the_summary_says_how_old_the_latest_figure_is():
    assert told(lines_of([0.001, 0.001, None])) == "p0: always 1 ms; latest, at 12:01 p.m., 1 ms."


def test_the_summary_is_about_the_line_that_was_asked_for():
    assert told(lines_of([1], [2], subject="b")) == "p1: always 2 s; latest 2 s."


def test_without_figures_the_summary_says_so():
    assert told(lines_of([None])) == "p0: no data."


# What a script reads.


def test_a_script_reads_the_figures_and_where_they_stand():
    chart = lines_of([0.00123456789, None], bars=Bars(key="n", label='"<n>"', unit=Unit.COUNT, values=(1, 2)))
    data = data_of(render(chart))
    assert data["times"] == [int(NOON.timestamp()), int(NOON.timestamp()) + 60]
    assert (data["step"], data["until"] - data["since"]) == (60, 120)
    assert [(each["key"], each["panel"], each["values"]) for each in data["series"]] == [
        ("a", 0, [0.00123457, None]),
        ("n", 1, [1, 2]),
    ]
    assert data["series"][1]["label"] == '"<n>"'
    lines, bars = data["panels"]
    assert (lines["scale"], lines["unit"], bars["scale"], bars["unit"]) == ("log", "seconds", "linear", "count")
    assert (bars["top"], bars["height"]) == (LOWER.top, LOWER.height)


# The page.


def test_the_chart_has_a_row_for_each_period_and_a_legend():
    page = render(
        lines_of([0.001, None], [0.002, 0.003], bands=(Band(key="b", label="likely", lower=(1, 1), upper=(2, 2)),))
    )
    assert page.count("<tr>") == 3
    assert "likely" in page
    assert page.count('class="timestamp-swatch"') == 3


def test_a_gap_is_told_in_the_drawing_and_the_legend():
    assert render(lines_of([0.001, None])).count("no data") == 2
    assert "no data" not in render(lines_of([0.001, 0.002]))


def test_bars_stand_below_in_the_same_drawing():
    page = render(lines_of([1], bars=Bars(key="n", label="operations", unit=Unit.COUNT, values=(7,))))
    assert page.count('role="img"') == 1
    assert "timestamp-plot-tall" in page
    assert 'class="timestamp-bar"' in page


def test_no_period_at_all_is_told_in_words():
    page = render(lines_of([]))
    assert "No data." in page
    assert "<svg" not in page
    assert "<table" not in page


@given(columns, scales)
def test_numbers_in_the_drawing_have_points_in_every_language(rows, scale):
    chart = lines_of(*zip(*rows, strict=True), scale=scale, thresholds=(WARNING,))
    with translation.override("de"):
        (drawing,) = [draw_lines(chart)]
    with translation.override("en"):
        other = draw_lines(chart)
    assert [line.path for line in drawing.lines] == [line.path for line in other.lines]
    assert [line.y for line in drawing.grid] == [line.y for line in other.grid]


def test_a_chart_of_720_periods_and_three_lines_is_small():
    values = [[base * (1 + place % 7 / 10) for place in range(720)] for base in (0.001, 0.002, 0.004)]
    assert len(render(lines_of(*values)).encode()) < 150_000
