import re

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import (
    Band,
    Bars,
    Column,
    Level,
    Table,
    Unit,
    render,
    table_of,
)
from tests.admin.charts.examples import (
    NOON,
    ONE_OF_EACH,
    bar_list,
    episode,
    episodes,
    figures,
    heat_map,
    lines_of,
    sparkline,
    text_of,
)


def cells_of(table):
    rows = re.findall("<tr>(.*?)</tr>", table.body())
    return [[text_of(cell) for cell in re.findall("<t[hd].*?</t[hd]>", row)] for row in rows]


def figures_table(values, unit):
    columns = (Column(key="row", label="Row"), Column(key="value", label="Value", unit=unit))
    return Table(caption="", columns=columns, rows=tuple(("a", value) for value in values))


def test_lines_bands_and_bars_stand_side_by_side():
    chart = lines_of(
        [0.001, None],
        bands=(Band(key="likely", label="likely", lower=(0.0005, None), upper=(0.002, 0.003)),),
        bars=Bars(key="operations", label="operations", unit=Unit.COUNT, values=(1200, None)),
    )
    table = table_of(chart)
    assert [column.name for column in table.columns] == [
        "time",
        "a_seconds",
        "likely_lower_seconds",
        "likely_upper_seconds",
        "operations_count",
    ]
    assert table.rows == (
        (NOON, 0.001, 0.0005, 0.002, 1200),
        (chart.times[1], None, None, 0.003, None),
    )
    assert cells_of(table) == [
        ["Nov 27, noon", "1.00", "500", "2.00", "1,200"],
        ["Nov 27, 12:01 p.m.", "–", "–", "3.00", "–"],
    ]


def test_the_caption_names_the_range_and_the_zone():
    with timezone.override("Europe/Berlin"):
        caption = table_of(lines_of([1, 2])).caption
    assert caption == "Latency, from Nov. 27, 2025, 1 p.m. to Nov. 27, 2025, 1:02 p.m. (Europe/Berlin)"


def test_a_column_has_one_unit_that_stands_above_it():
    table = figures_table([0.0012, 0.0034, 2.5], Unit.SECONDS)
    assert ">Value (ms)<" in table.head()
    assert cells_of(table) == [["a", "1.20"], ["a", "3.40"], ["a", "2,500.00"]]


def test_figures_are_rounded_not_cut_off():
    assert cells_of(figures_table([0.0029999, 0.0011], Unit.SECONDS)) == [["a", "3.00"], ["a", "1.10"]]


def test_shares_are_in_per_cent_and_counts_have_all_digits():
    assert cells_of(figures_table([0.125, 0.5], Unit.SHARE)) == [["a", "12.5"], ["a", "50.0"]]
    assert cells_of(figures_table([1_234_567], Unit.COUNT)) == [["a", "1,234,567"]]


def test_numbers_are_written_as_the_language_does():
    with translation.override("de"):
        assert cells_of(figures_table([0.0012, 2.5, 0.0034], Unit.SECONDS))[:2] == [["a", "1,20"], ["a", "2.500,00"]]


@given(st.lists(figures, min_size=1), st.sampled_from([Unit.SECONDS, Unit.SHARE, Unit.PER_SECOND]))
def test_any_figures_can_be_written(values, unit):
    assert len(cells_of(figures_table(values, unit))) == len(values)


def test_text_is_escaped():
    chart = bar_list(("<script>", 1))
    assert "<script>" not in table_of(chart).body()
    assert "<script>" not in render(chart)


def test_heat_maps_have_a_column_for_each_bucket():
    table = table_of(heat_map((1, 2, 3), None))
    assert [column.name for column in table.columns[1:]] == ["bucket_1_count", "bucket_2_count", "bucket_3_count"]
    assert text_of(table.columns[1].label).replace("\u2068", "").replace("\u2069", "") == "up to 2 ms"
    assert [row[1:] for row in table.rows] == [(1, 2, 3), (None, None, None)]


def test_bars_have_their_share():
    assert table_of(bar_list(("import", 3), ("edit", 1))).rows == (("import", 3, 0.75), ("edit", 1, 0.25))


def test_episodes_have_their_duration_also_while_they_go_on():
    chart = episodes([episode(Level.WARNING, 10, 20), episode(Level.CRITICAL, 90)])
    assert [row[4] for row in table_of(chart).rows] == [600, 600]
    assert cells_of(table_of(chart))[1][1:4:2] == ["critical", "–"]


def test_sparklines_count_their_periods():
    assert table_of(sparkline(0.001, None)).rows == ((1, 0.001), (2, None))


@pytest.mark.parametrize("chart", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_every_row_has_a_cell_for_every_column(chart):
    table = table_of(chart)
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert len({column.name for column in table.columns}) == len(table.columns)


@pytest.mark.parametrize("chart", [lines_of([]), heat_map()], ids=["lines", "heat map"])
def test_without_any_period_there_are_no_rows(chart):
    assert table_of(chart).rows == ()
    assert table_of(chart).caption == chart.title
