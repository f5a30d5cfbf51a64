import dataclasses
import math
from datetime import datetime, timedelta

import pytest

from django_clean_timestamps.admin.charts import (
    Band,
    Bar,
    Bars,
    Episode,
    EpisodeChart,
    Level,
    Line,
    Quantile,
    Threshold,
    Unit,
)
from tests.admin.charts.examples import (
    MINUTE,
    NOON,
    ONE_OF_EACH,
    episode,
    heat_map,
    histogram,
    lines_of,
    minutes,
    sparkline,
)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1, 1e101])
def test_what_is_no_figure_is_refused(bad):
    for make in (
        lambda: Line(key="a", label="a", values=(1, bad)),
        lambda: Band(key="a", label="a", lower=(bad,), upper=(bad,)),
        lambda: Bars(key="a", label="a", unit=Unit.COUNT, values=(bad,)),
        lambda: Threshold(value=bad, level=Level.WARNING),
        lambda: Bar(label="a", value=bad),
        lambda: Quantile(label="p95", value=bad),
        lambda: sparkline(bad),
        lambda: heat_map((bad, 0, 0)),
        lambda: histogram(bad, 0, 0),
        lambda: histogram(1, bounds=(0.1, bad)),
    ):
        with pytest.raises(ValueError, match="cannot be drawn"):
            make()


@pytest.mark.parametrize("key", ["", "1a", "a b", 'a"', "ä", "a\n"])
def test_a_key_that_cannot_be_an_id_is_refused(key):
    with pytest.raises(ValueError, match="cannot name part of a page"):
        lines_of([1], key=key)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: lines_of([1, 2], times=minutes(3)), "2 values for 3 places"),
        (lambda: lines_of([1], bands=(Band(key="b", label="b", lower=(), upper=(1,)),)), "0 values"),
        (lambda: lines_of([1], bands=(Band(key="b", label="b", lower=(1,), upper=()),)), "0 values"),
        (lambda: lines_of([1], bars=Bars(key="b", label="b", unit=Unit.COUNT, values=())), "0 values"),
        (lambda: lines_of([1], subject="z"), "no line 'z'"),
        (lambda: lines_of([], lines=()), "at least one"),
        (lambda: lines_of([1], step=timedelta(0)), "length of each"),
        (lambda: lines_of([1], times=(datetime(2025, 1, 1),)), "naive"),
        (lambda: lines_of([1, 2], times=(NOON, NOON)), "must rise"),
        (lambda: lines_of([1, 2], times=(NOON, NOON + MINUTE / 2)), "must rise"),
        (lambda: Line(key="a", label="a", values=(), style=7), "no style 7"),
        (lambda: Band(key="a", label="a", lower=(2,), upper=(1,)), "above the upper"),
        (lambda: heat_map((1, 2)), "2 values for 3 places"),
        (lambda: histogram(1, 2), "2 values for 3 places"),
        (lambda: histogram(bounds=(1,)), "two bounds"),
        (lambda: histogram(1, bounds=(0, 1)), "above 0"),
        (lambda: histogram(1, 1, bounds=(1, 2, 2)), "bounds must rise"),
        (lambda: Episode(level=Level.WARNING, began_at=datetime(2025, 1, 1)), "naive"),
        (lambda: Episode(level=Level.WARNING, began_at=NOON, ended_at=datetime(2025, 1, 1)), "naive"),
        (lambda: episode(Level.WARNING, 5, 4), "cannot end"),
        (lambda: EpisodeChart(key="a", title="", since=NOON, until=NOON, rows=()), "no time to draw"),
    ],
)
def test_what_does_not_fit_together_is_refused(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_values_cannot_be_changed():
    for chart in ONE_OF_EACH.values():
        with pytest.raises(dataclasses.FrozenInstanceError):
            chart.title = "other"
        assert not hasattr(chart, "__dict__")


def test_a_threshold_is_called_by_its_level_where_it_has_no_name():
    assert Threshold(value=1, level=Level.CRITICAL).name == "critical"
    assert Threshold(value=1, level=Level.CRITICAL, label="limit").name == "limit"
