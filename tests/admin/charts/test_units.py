import doctest
import math

import pytest
from django.template import Context, Template
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.admin.charts import Unit, drawing, paths, show_value, units
from django_clean_timestamps.admin.charts.units import measure_of, measure_of_all, show_count
from tests.admin.charts.examples import figures, text_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, Unit.SECONDS, "0 s"),
        (0.00000025, Unit.SECONDS, "0.25 µs"),
        (0.000421, Unit.SECONDS, "421 µs"),
        (0.0009996, Unit.SECONDS, "1 ms"),
        (0.00421, Unit.SECONDS, "4.21 ms"),
        (0.0421, Unit.SECONDS, "42.1 ms"),
        (5, Unit.SECONDS, "5 s"),
        (119, Unit.SECONDS, "119 s"),
        (150, Unit.SECONDS, "2.5 min"),
        (7200, Unit.SECONDS, "2 h"),
        (172_800, Unit.SECONDS, "2 d"),
        (0, Unit.SHARE, "0%"),
        (0.00277, Unit.SHARE, "0.28%"),
        (0.125, Unit.SHARE, "12.5%"),
        (1, Unit.SHARE, "100%"),
        (0, Unit.COUNT, "0"),
        (999, Unit.COUNT, "999"),
        (1000, Unit.COUNT, "1k"),
        (12_345, Unit.COUNT, "12.3k"),
        (1_500_000, Unit.COUNT, "1.5M"),
        (2e9, Unit.COUNT, "2G"),
        (3.4, Unit.PER_SECOND, "3.4/s"),
        (3400, Unit.PER_SECOND, "3.4k/s"),
        (3.4e6, Unit.PER_SECOND, "3.4M/s"),
        (1e30, Unit.COUNT, "1.00e+21G"),
        (1e-30, Unit.SECONDS, "1.00e-24 µs"),
    ],
)
def test_a_figure_has_three_digits_and_the_unit_of_its_size(value, unit, text):
    assert show_value(value, unit).text.replace("\N{NO-BREAK SPACE}", " ") == text


def test_no_line_break_parts_a_figure_from_its_unit():
    shown = show_value(0.005, Unit.SECONDS)
    assert (shown.number, shown.symbol) == ("5", "ms")
    assert not shown.text.split(" ")[1:]


def test_a_figure_keeps_its_direction_on_a_page_and_in_a_drawing():
    shown = show_value(5, Unit.COUNT)
    assert Template("{{ shown }}").render(Context({"shown": shown})) == "<bdi>5</bdi>"
    assert shown.isolated == "\u20685\u2069"


def test_a_figure_is_written_as_the_language_does():
    with translation.override("de"):
        assert show_value(0.00421, Unit.SECONDS).number == "4,21"
        assert show_count(12_344.6) == "12.345"


@given(figures, st.sampled_from(Unit))
def test_any_figure_can_be_written_and_read_again(value, unit):
    shown = show_value(value, unit)
    factor = measure_of(value, unit).factor
    assert math.isclose(float(shown.number) * factor, value, rel_tol=0.05)


def test_a_column_has_the_unit_of_its_middle_figure():
    assert measure_of_all([0, 0.002, 0.003, 5], Unit.SECONDS).symbol == "ms"
    assert measure_of_all([], Unit.SECONDS).symbol == "s"
    assert measure_of_all([5e6], Unit.COUNT).factor == 1


def test_a_page_shows_the_text():
    assert text_of(show_value(0.005, Unit.SECONDS)) == "5 ms"


def test_the_examples_in_docstrings_hold():
    for module in (units, drawing, paths):
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted
