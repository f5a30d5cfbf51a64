"""The SQL of the page about partitions, run on a database."""

import re
from pathlib import Path

from django.db import connections

__all__ = ["make_plain", "partition", "sql_of_page"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "partition-the-event-log.md"


def sql_of_page():
    """Return the page's SQL: to partition the table, to add a partition, to go back."""
    there, add, back = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    return there, add, back


def partition(size, using="default"):
    _run(sql_of_page()[0].replace("5000000", str(size)), using)


def make_plain(using="default"):
    _run(sql_of_page()[2], using)


def _run(sql, using):
    connection = connections[using]
    if connection.in_atomic_block:
        sql = re.sub(r"^(BEGIN|COMMIT);$", "", sql, flags=re.MULTILINE)
    with connection.cursor() as cursor:
        cursor.execute(sql)
