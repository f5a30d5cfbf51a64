"""Seeing from one session that another one waits for a lock."""

from django.db import connection


def session_id():
    """Return what the server calls this thread's session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if connection.vendor == "postgresql" else "SELECT CONNECTION_ID()")
        return cursor.fetchone()[0]


def is_waiting(session):
    """Say whether a session waits for a lock."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [session])
            return cursor.fetchone()[0]
        # The table innodb_trx stands still while anybody on the server reads it often.
        cursor.execute("SHOW ENGINE INNODB STATUS")
        transactions = cursor.fetchone()[2].split("---TRANSACTION ")
        return any("LOCK WAIT" in each and f"thread id {session}," in each for each in transactions)
