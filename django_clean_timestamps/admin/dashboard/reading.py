"""Reading the metrics' database, and what to say where it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import Error, connections, transaction
from django.utils.translation import gettext as _

from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.metrics import models

__all__ = ["MetricsUnreadable", "reading_metrics"]


class MetricsUnreadable(Exception):  # noqa: N818 - an answer, not a fault of the program
    """The metrics cannot be read; its text is for people and names the way out."""


@contextmanager
def reading_metrics(using: str) -> Iterator[None]:
    """
    Let a block read the metrics; a transaction that is open stays usable whatever happens.

    Args:
        using: The metrics' database alias.

    Raises:
        MetricsUnreadable: Tables are missing, or the database does not answer.
    """
    connection = connections[using]
    try:
        # After an error PostgreSQL takes nothing more but the way back to a savepoint.
        with transaction.atomic(using=using) if connection.in_atomic_block else nullcontext():
            yield
    except Error as error:
        raise MetricsUnreadable(_explain(using, error)) from error


def _explain(using: str, error: Exception) -> str:
    try:
        missing = _missing_tables(using)
    except Error:
        missing = []
    if missing:
        text = _(
            "The tables of the metrics are missing in the database %(database)r, among them %(table)s; run "
            "'manage.py migrate clean_timestamps --database %(database)s'."
        )
        return text % {"database": using, "table": missing[0]}
    text = _(
        "The metrics cannot be read: the database %(database)r said “%(error)s”. What is recorded meanwhile is kept "
        "and written once it answers; load the page again then."
    )
    return text % {"database": using, "error": one_line(error)}


def _missing_tables(using: str) -> list[str]:
    there = set(connections[using].introspection.table_names())
    wanted = {getattr(models, name)._meta.db_table for name in models.__all__ if name.startswith("Metric")}
    return sorted(wanted - there)
