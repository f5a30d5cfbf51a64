from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import Bar, BarList, Unit, render, summary_of, table_of
from django_clean_timestamps.admin.charts.bar_list import draw_bar_list
from tests.admin.charts.examples import bar_list, text_of


@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=10))
def test_the_longest_bar_is_the_highest_figure(values):
    rows = draw_bar_list(bar_list(*(("a", value) for value in values)))
    widths = [float(row.width[:-1]) for row in rows]
    assert all(0 <= width <= 100 for width in widths)
    assert max(widths) == (100 if max(values) else 0)
    assert sorted(widths) == [width for _value, width in sorted(zip(values, widths, strict=True))]


def test_a_row_has_its_figure_and_its_share():
    page = text_of(render(bar_list(("import", 3000), ("edit", 1000))))
    assert "3k" in page
    assert "75%" in page


def test_the_chart_is_itself_the_table():
    page = render(bar_list(("import", 3)))
    assert page.count("<table") == 1
    assert "<details" not in page
    assert page.count('scope="col"') == 3
    assert page.count('scope="row"') == 1


def test_a_label_may_lead_somewhere():
    bars = (Bar(label="import", value=1, url="/there/?a=1&b=2"),)
    chart = BarList(key="a", title="", heading="", value_heading="", bars=bars, unit=Unit.SECONDS)
    assert '<a href="/there/?a=1&amp;b=2"><bdi>import</bdi></a>' in render(chart)


def test_the_summary_names_the_most():
    assert text_of(summary_of(bar_list(("edit", 1), ("import", 3)))) == "Most: import, 3 (75%)."


def test_nothing_is_told_in_words():
    assert "No data." in render(bar_list())
    assert "no data" in summary_of(bar_list())
    assert "all are 0" in summary_of(bar_list(("a", 0)))
    assert table_of(bar_list(("a", 0))).rows == (("a", 0, 0.0),)
