"""Reading the log through its managers, which first write what the connection's transaction has pending."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Manager, Model, QuerySet
from django.db.models.sql import Query

from django_clean_timestamps.unit_of_work import write_pending

__all__ = ["LogManager", "LogQuerySet"]

ModelT = TypeVar("ModelT", bound=Model)
ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


class LogQuery(Query):
    """
    A query over a table of the log.

    Every statement that Django makes of it asks for a compiler, also those of ``count()``, ``exists()`` and subqueries.
    """

    def get_compiler(self, using: str | None = None, connection: Any = None, elide_empty: bool = True) -> Any:
        write_pending(connections[using or DEFAULT_DB_ALIAS] if connection is None else connection)
        return super().get_compiler(using=using, connection=connection, elide_empty=elide_empty)


class LogQuerySet(QuerySet[ModelT_co, ModelT_co]):
    """
    A queryset over a table of the log that sees the events of its own transaction.

    So a ``TestCase``, which never commits, can look at the log as if it had.
    """

    def __init__(self, model: type[ModelT_co] | None = None, query: Any = None, **kwargs: Any) -> None:
        super().__init__(model, LogQuery(model) if query is None else query, **kwargs)

    def update(self, **kwargs: Any) -> int:
        """Update the rows; Django asks the query that selects them for nothing."""
        self._write_pending()
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows; the same."""
        self._write_pending()
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _write_pending(self) -> None:
        self._for_write = True
        write_pending(connections[self.db])


class LogManager(Manager[ModelT]):
    """The manager of a table of the log."""

    def get_queryset(self) -> LogQuerySet[ModelT]:
        return LogQuerySet(model=self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]
