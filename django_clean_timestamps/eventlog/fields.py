"""What the log's columns are made of."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField
from django.db.models.functions import Now

from django_clean_timestamps.stamping.fields import AwareUtc

__all__ = ["DatabaseNow", "DatabaseTimeField", "UtcDateTimeField", "database_now"]


class UtcDateTimeField(AwareUtc, DateTimeField):  # type: ignore[type-arg]
    """A time, aware and UTC in Python whatever ``USE_TZ`` says."""


class DatabaseTimeField(UtcDateTimeField):
    """
    A time that the database's clock gave, aware and UTC in Python.

    Django takes what a database holds for times in a zone of the project's where there is no time zone support, or
    where ``DATABASES`` names one; the database's clock writes UTC whatever these say.
    """

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Callable[..., Any]]:
        """Return what undoes Django's idea of the zone."""
        return [*super().get_db_converters(connection), _read_as_utc]

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        """Return what the database compares its own times with."""
        if not isinstance(value, datetime) or value.tzinfo is None:
            return super().get_db_prep_value(value, connection, prepared)
        if connection.vendor == "postgresql":
            return value
        return connection.ops.adapt_datetimefield_value(value.astimezone(UTC).replace(tzinfo=None))

    def get_prep_value(self, value: Any) -> Any:
        """Return an aware time as it is; only the connection tells what the database is given."""
        is_aware = isinstance(value, datetime) and value.tzinfo is not None
        return value if is_aware else super().get_prep_value(value)


def _read_as_utc(value: datetime | None, expression: object, connection: Any) -> datetime | None:
    if value is None:
        return None
    if connection.vendor != "postgresql":
        return value.replace(tzinfo=UTC)
    if settings.USE_TZ:
        return value.astimezone(UTC)
    # The driver reads the instant as local time of the session.
    return value.replace(tzinfo=zoneinfo.ZoneInfo(connection.timezone_name)).astimezone(UTC)


class DatabaseNow(Now):
    """
    The database's clock, in UTC.

    ``CURRENT_TIMESTAMP``, which Django writes on MySQL and MariaDB, follows the session's time zone there.
    """

    def as_mysql(self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


def database_now(using: str) -> datetime:
    """Return what the clock of a database says, aware, in UTC; of SQLite to the millisecond."""
    connection = connections[using]
    statements = {
        "postgresql": "SELECT statement_timestamp() AT TIME ZONE 'UTC'",
        "mysql": "SELECT UTC_TIMESTAMP(6)",
        "sqlite": "SELECT strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    }
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor], [])
        (now,) = cursor.fetchone()
    read = datetime.fromisoformat(now) if isinstance(now, str) else now
    return read.replace(tzinfo=UTC)
