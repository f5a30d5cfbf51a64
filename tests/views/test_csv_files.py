import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.views.csv_files import ROWS_AT_ONCE, csv_response


def written(columns, rows):
    return b"".join(csv_response("a.csv", columns, rows).streaming_content).decode()


def read(text):
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_a_file_is_a_head_and_rows():
    rows = [("update", 3, 0.5), ('a "b", c\nd', 0, None)]
    text = written(["operation", "count", "p95_seconds"], rows)
    assert text == '\ufeffoperation,count,p95_seconds\r\nupdate,3,0.5\r\n"a ""b"", c\nd",0,\r\n'


def test_it_is_sent_as_a_file_that_nobody_guesses_about():
    response = csv_response("latency – März.csv", ["a"], [])
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''latency")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert b"".join(response.streaming_content).decode() == "\ufeffa\r\n"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_text_that_would_be_a_formula_is_a_text(first):
    formula = f'{first}HYPERLINK("http://example.com")'
    assert read(written([formula], [[formula]])) == [[f"'{formula}"]] * 2


def test_numbers_stay_numbers():
    assert read(written(["a"] * 4, [(-1, -0.25, 1e-07, Decimal("-2.50"))]))[1] == ["-1", "-0.25", "1e-07", "-2.50"]


def test_a_time_is_written_in_utc():
    moment = datetime(2026, 1, 31, 14, 30, tzinfo=timezone(timedelta(hours=2)))
    assert read(written(["at"], [[moment], [moment.astimezone(UTC)]]))[1:] == [["2026-01-31T12:30:00+00:00"]] * 2
    with pytest.raises(ValueError, match="no zone"):
        written(["at"], [[datetime(2026, 1, 31)]])


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"1 cells where there are 2 columns: \['a', 'b'\]"):
        written(["a", "b"], [[1]])


def test_many_rows_are_sent_in_parts_as_they_are_made():
    made = 0

    def rows():
        nonlocal made
        for number in range(3 * ROWS_AT_ONCE):
            made += 1
            yield [number]

    parts = iter(csv_response("a.csv", ["n"], rows()).streaming_content)
    first = next(parts)
    assert made < 2 * ROWS_AT_ONCE
    assert read((first + b"".join(parts)).decode())[1:] == [[str(number)] for number in range(3 * ROWS_AT_ONCE)]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXTS, st.integers(), st.floats(allow_nan=False)), max_size=5))
def test_what_was_written_is_read_again(rows):
    for (text, count, share), row in zip(read(written(["a", "b", "c"], rows))[1:], rows, strict=False):
        assert text.removeprefix("'") == row[0].removeprefix("'")
        assert not text.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert (int(count), float(share)) == row[1:]
