"""The benchmarks' own database: made, described, emptied, dropped."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.color import no_style
from django.db import DatabaseError, connection
from django.db.models import Model


class UnreachableError(Exception):
    """The server does not answer, or its driver is missing."""


@contextmanager
def own_database() -> Iterator[None]:
    """
    Make the database and its tables, and drop it afterwards.

    Raises:
        UnreachableError: It cannot be made.
    """
    try:
        connection.ensure_connection()
    except (DatabaseError, ImproperlyConfigured) as error:
        raise UnreachableError(str(error).strip().splitlines()[0]) from error
    former = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(former, verbosity=0)


def describe_database() -> str:
    """Return the name and version of the database, and how it is set up where that decides what a commit costs."""
    if connection.vendor == "sqlite":
        modes = {0: "off", 1: "normal", 2: "full", 3: "extra"}
        journal, synchronous = _ask("PRAGMA journal_mode"), modes[int(_ask("PRAGMA synchronous"))]
        version = _ask("SELECT sqlite_version()")
        return f"SQLite {version} (a file in a temporary directory, journal_mode {journal}, synchronous {synchronous})"
    if connection.vendor == "postgresql":
        version = _ask("SHOW server_version").split()[0]
        return f"PostgreSQL {version} (synchronous_commit {_ask('SHOW synchronous_commit')})"
    flush = _ask("SELECT @@innodb_flush_log_at_trx_commit")
    return f"MariaDB {_ask('SELECT VERSION()').partition('-')[0]} (innodb_flush_log_at_trx_commit {flush})"


def vendor() -> str:
    """Return the vendor as ``--database`` names it: ``sqlite``, ``postgresql`` or ``mariadb``."""
    return "mariadb" if connection.vendor == "mysql" else connection.vendor


def _ask(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])


def empty(*models: type[Model]) -> None:
    """Remove every row of the models' tables, without leaving dead ones behind."""
    tables = [model._meta.db_table for model in models]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables, allow_cascade=True))


def settle(*models: type[Model]) -> None:
    """
    Bring the models' tables to the state in which a well-kept database has them.

    PostgreSQL is vacuumed here, since nothing may happen to a table while it is measured; the others need nothing that
    one could ask for between two rounds.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for model in models:
                cursor.execute(f"VACUUM ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
