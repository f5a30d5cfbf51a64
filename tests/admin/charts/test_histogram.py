from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import Level, Quantile, Threshold, path_boxes, render, summary_of
from django_clean_timestamps.admin.charts.histogram import draw_histogram
from tests.admin.charts.examples import CRITICAL, WARNING, histogram, text_of

counts = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=30).filter(any)


@given(counts, st.booleans())
def test_each_bar_is_as_high_as_its_count(given_counts, has_marks):
    bounds = tuple(0.001 * 2 ** (place / 2) for place in range(len(given_counts) + 1))
    quantiles = (Quantile(label="p50", value=bounds[0]),) if has_marks else ()
    drawing = draw_histogram(histogram(*given_counts, bounds=bounds, quantiles=quantiles))
    boxes = path_boxes(drawing.bars)
    wanted = [count for count in given_counts if count]
    for box, count in zip(boxes, wanted, strict=True):
        share = (box.top - box.bottom) / drawing.panel.height
        assert share == pytest.approx(drawing.count_axis.share_of(count), abs=1e-4)
        assert 0 <= box.left < box.right <= 1


def test_a_bar_stands_between_its_bounds():
    boxes = path_boxes(draw_histogram(histogram(1, 1, 1)).bars)
    for place, box in enumerate(boxes):
        assert (box.left + box.right) / 2 == pytest.approx((place + 0.5) / 3, abs=1e-5)
        assert box.right - box.left < 1 / 3


def test_each_mark_has_a_row_of_its_own_above_the_bars():
    chart = histogram(
        1,
        5,
        1,
        quantiles=(Quantile(label="p50", value=0.003),),
        thresholds=(CRITICAL, WARNING, Threshold(value=0.0078, level=Level.CRITICAL)),
    )
    drawing = draw_histogram(chart)
    assert [mark.label.split()[0] for mark in drawing.marks] == ["p50", "warning", "critical"]
    assert [mark.level for mark in drawing.marks] == [None, Level.WARNING, Level.CRITICAL]
    assert [mark.anchor for mark in drawing.marks] == ["start", "end", "end"]
    assert len({mark.shift for mark in drawing.marks}) == 3
    assert drawing.panel.top * 230 > max(mark.shift for mark in drawing.marks)


def test_a_label_crosses_no_line_of_a_mark_on_the_same_side():
    quantiles = tuple(Quantile(label=f"p{place}", value=0.001 * 2 ** (place / 4)) for place in range(12))
    marks = draw_histogram(histogram(1, 5, 1, quantiles=quantiles)).marks
    assert {mark.anchor for mark in marks} == {"start", "end"}
    for left, right in pairwise(marks):
        if left.anchor == right.anchor == "start":
            assert left.shift < right.top + 14
        elif left.anchor == right.anchor:
            assert right.shift < left.top + 14
    assert sorted(mark.top for mark in marks) == [place * 14 for place in range(12)]


def test_without_marks_the_bars_have_all_the_room():
    assert draw_histogram(histogram(1, 1, 1)).panel.top == 0


def test_a_narrow_page_leaves_out_every_second_of_many_latencies():
    few = draw_histogram(histogram(1, 1, 1)).ticks
    many = draw_histogram(histogram(1, bounds=(0.001, 0.1))).ticks
    assert not any(tick.is_for_wide for tick in few)
    assert [tick.is_for_wide for tick in many] == [False, True, False, True, False, True, False]


def test_nothing_counted_is_told_in_words():
    chart = histogram(0, 0, 0)
    assert "No data." in render(chart)
    assert "no data" in summary_of(chart)


def test_the_summary_tells_most_and_the_quantiles():
    chart = histogram(1, 8, 1, quantiles=(Quantile(label="p95", value=0.0051),))
    assert text_of(summary_of(chart)) == "10 operations; most between 2 ms and 4 ms; p95 5.1 ms."
