"""Figures as a file for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

__all__ = ["csv_response"]

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a text begins with that a spreadsheet takes for a formula; the last four are the wide forms of the first."""

MARK: Final = "\ufeff"
"""Without it a spreadsheet takes UTF-8 for the local code page; programs that would mind it read the JSON."""

ROWS_AT_ONCE: Final = 500


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """
    Return a file that is written while it is sent: in UTF-8 with a mark of it, lines ended as in RFC 4180.

    Texts that a spreadsheet would take for a formula get an apostrophe before them, the names of columns too. Numbers
    stay as they are, negative ones among them. A time is written in UTC, None as nothing, anything else as its text.

    Args:
        name: What the file is called, with its ending.
        columns: What stands in the first row.
        rows: As many cells each; read when the response is, so nothing that needs an open transaction.

    Raises:
        ValueError: While it is sent, where a row has another number of cells, or holds a time without a zone.
    """
    response = StreamingHttpResponse(_chunks(columns, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _Line:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _chunks(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    writer = csv.writer(_Line(), lineterminator="\r\n")
    lines = (writer.writerow([_cell(each) for each in _checked(row, columns)]) for row in chain([columns], rows))
    mark = MARK
    while chunk := "".join(islice(lines, ROWS_AT_ONCE)):
        yield (mark + chunk).encode()
        mark = ""


def _checked(row: Sequence[Any], columns: Sequence[str]) -> Sequence[Any]:
    if len(row) != len(columns):
        raise ValueError(f"A row has {len(row)} cells where there are {len(columns)} columns: {list(columns)}")
    return row


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no zone; an aware time is wanted")
        return value.astimezone(UTC).isoformat()
    text = str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text
