"""A table as a file that spreadsheets read."""

from __future__ import annotations

from collections.abc import Iterator

from django.http.response import HttpResponseBase

from django_clean_timestamps.admin.charts import Cell, Level, Table
from django_clean_timestamps.views.csv_files import csv_response

__all__ = ["table_response"]


def table_response(table: Table, name: str) -> HttpResponseBase:
    """
    Return the figures as CSV: times in UTC, and units in the names of the columns.

    Args:
        table: The figures.
        name: Of the file, without its ending.
    """
    return csv_response(f"{name}.csv", [column.name for column in table.columns], _rows(table))


def _rows(table: Table) -> Iterator[list[Cell]]:
    for row in table.rows:
        yield [cell.value if isinstance(cell, Level) else cell for cell in row]
