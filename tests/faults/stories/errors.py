"""Errors that are raised on purpose while something is written or sequenced."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

from django.db import IntegrityError, OperationalError, connection, connections, transaction

from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.faults.app.models import Counter, Page
from tests.faults.points import armed
from tests.faults.stories import story, writer_of
from tests.faults.writers import tolerate


@story
def fail_at(points: list[str], errors: list[str], ways: list[str], manual: bool = False) -> dict[str, Any]:
    """Return what came out of each way of writing with each error raised at the points, and of the same write again."""
    return {
        f"{way}, {error}": _fail_once(way, points, error, manual=manual)
        for error, way in itertools.product(errors, ways)
    }


def _fail_once(name: str, points: list[str], error: str, *, manual: bool) -> dict[str, Any]:
    # Each on a connection object that has written nothing yet.
    connection.close()
    del connections["default"]
    writer = writer_of()
    if name == "save_alone":
        writer.own = writer.any_shared()
    write = getattr(writer, name)
    before = _numbers()
    transaction.set_autocommit(not manual)
    raised = None
    try:
        with armed(*points, action=error):
            write()
            if manual:
                transaction.commit()
    except BaseException as problem:  # noqa: BLE001 - of any kind, that is the point
        raised = type(problem).__name__
    usable = connection.get_autocommit() is not manual
    if manual:
        transaction.rollback()
        transaction.set_autocommit(True)
    unchanged = _numbers() == before
    if name == "save_alone":
        writer.own = writer.any_shared()
    write()
    return {"raised": raised, "mode_kept": usable, "unchanged": unchanged, "goes_on": _numbers() != before}


def _numbers() -> Any:
    rows = list(Counter.objects.order_by("pk").values_list("pk", "number", "updated_at"))
    return rows, Pending.objects.count() + Event.objects.count()


@story
def fail_in_a_pass(points: list[str], error: str) -> dict[str, Any]:
    """Return what became of the session and of what is pending after an error in a pass, and what the next one moved."""
    session, pending, raised = _session(), Pending.objects.count(), None
    try:
        with armed(*points, action=error):
            sequence()
    except BaseException as problem:  # noqa: BLE001 - of any kind, that is the point
        raised = type(problem).__name__
    kept = Pending.objects.count() == pending
    return {"raised": raised, "session_kept": _session() == session, "kept": kept, "moved": sequence() == pending}


def _session() -> Any:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT current_setting('transaction_isolation'), current_setting('idle_in_transaction_session_timeout')"
            )
        elif connection.vendor == "mysql":
            cursor.execute("SELECT @@tx_isolation, @@idle_transaction_timeout, @@autocommit")
        else:
            cursor.execute("SELECT 1")
        return cursor.fetchone(), connection.get_autocommit(), connection.in_atomic_block


@story
def fail_at_commit() -> dict[str, Any]:
    """Break a foreign key that is checked at COMMIT, beside other writes."""
    writer, before, raised = writer_of(), _numbers(), None
    try:
        with transaction.atomic():
            writer.save_several()
            writer.update_flock()
            Page.objects.create(book_id=999_999)
    except IntegrityError as error:
        raised = str(error)
    unchanged = _numbers() == before
    writer.save_several()
    return {"raised": raised, "unchanged": unchanged, "goes_on": _numbers() != before}


@story
def query_after_a_savepoint(lost: bool) -> dict[str, Any]:
    """Return what a crowd's process makes of a query in a transaction that is broken, by a loss or by its own mistake."""

    def work() -> None:
        with transaction.atomic():
            with suppress(ValueError), transaction.atomic():
                if lost:
                    _cut_off()
                raise ValueError
            if not lost:
                transaction.set_rollback(True)
            Counter.objects.count()

    tolerations: list[str] = []
    raised = None
    try:
        tolerate(tolerations.append, work)
    except transaction.TransactionManagementError as error:
        raised = type(error).__name__
    return {"tolerated": tolerations, "raised": raised, "goes_on": Counter.objects.count() == 0}


@story
def connect_in_vain() -> list[str]:
    """Return what a crowd's process tolerates while no server answers."""
    tolerations: list[str] = []
    tolerate(tolerations.append, Counter.objects.count)
    return tolerations


def _cut_off() -> None:
    """End the session of this process's own connection."""
    command = {"postgresql": "SELECT pg_terminate_backend(pg_backend_pid())", "mysql": "KILL CONNECTION_ID()"}
    with suppress(OperationalError), connection.cursor() as cursor:
        cursor.execute(command[connection.vendor])
