"""Two transactions at once, one of which the database sacrifices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django.db import connection, transaction

from django_clean_timestamps.context import no_touching
from django_clean_timestamps.eventlog.models import Event, Pending
from tests.faults.app.models import Book, Counter, Page
from tests.faults.points import FLUSH, arm
from tests.faults.stories import story


@story
def deadlock() -> dict[str, Any]:
    """
    Let a transaction's end run into a deadlock: it touches a book that a rival holds, who waits for its page.

    The rival has written more, and does not look for deadlocks itself, so that the end is what fails.
    """

    book, spare = Book.objects.create(), Book.objects.create()
    page = Page.objects.create(book=book)
    held, written = threading.Event(), threading.Event()

    def rival() -> str:
        with transaction.atomic():
            _look_for_deadlocks_after("1h")
            Counter.objects.bulk_create([Counter(name=f"rival {number}", flock=-1) for number in range(50)])
            Book.objects.filter(pk=book.pk).update(title="held")
            held.set()
            assert written.wait(20)
            wait_until(lambda: waiting_sessions() > 0)
            Page.objects.filter(pk=page.pk).update(text="theirs")
        return "committed"

    def end() -> str:
        assert held.wait(20)
        with transaction.atomic():
            _look_for_deadlocks_after("2s")
            page.text = "ours"
            page.save()
            spare.title = "ours"
            spare.save()
            written.set()
            # Here the block ends, the book is touched, and the events are written.
        return "committed"

    outcome = in_threads(rival=rival, end=end)
    texts = [Page.objects.get().text, Book.objects.get(pk=spare.pk).title]
    told = _events_of(page, spare)
    with transaction.atomic():
        page.save()
        spare.save()
    return {**outcome, "texts": texts, "told": told, "retried": _events_of(page, spare), "vendor": connection.vendor}


@story
def deadlock_over_pending() -> dict[str, Any]:
    """Let the INSERT of a transaction's events run into a deadlock with who has locked their table."""
    page = Page.objects.create(book=Book.objects.create())
    held, written = threading.Event(), threading.Event()

    def rival() -> str:
        _lock_gaps()
        with transaction.atomic():
            _look_for_deadlocks_after("1h")
            Counter.objects.bulk_create([Counter(name=f"rival {number}", flock=-1) for number in range(50)])
            _hold_pending()
            held.set()
            assert written.wait(20)
            wait_until(lambda: waiting_sessions() > 0)
            Page.objects.filter(pk=page.pk).update(text="theirs")
        return "committed"

    def end() -> str:
        assert held.wait(20)
        with transaction.atomic(), no_touching():
            _look_for_deadlocks_after("2s")
            page.text = "ours"
            page.save()
            written.set()
        return "committed"

    outcome = in_threads(rival=rival, end=end)
    texts, told = [Page.objects.get().text], _events_of(page)
    page.save()
    return {**outcome, "texts": texts, "told": told, "retried": _events_of(page)}


@story
def serialization_failure(level: str, touching: bool = True) -> dict[str, Any]:
    """
    Let a transaction fail to be serialised as its book is touched; or as its events are written, where none is.

    Returns also whether it came to the events.
    """
    book = Book.objects.create()
    page, other = Page.objects.create(book=book), Page.objects.create(book=Book.objects.create())
    read, changed = threading.Event(), threading.Event()

    def begin(name: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {name}")

    def rival() -> str:
        assert read.wait(20)
        with transaction.atomic():
            begin(level)
            # For SERIALIZABLE: each reads what the other writes. For REPEATABLE READ: both write the book.
            list(Page.objects.all())
            other.text = "theirs"
            other.save()
            if level == "REPEATABLE READ":
                book.title = "theirs"
                book.save()
        changed.set()
        return "committed"

    def end() -> str:
        try:
            with nullcontext() if touching else no_touching(), transaction.atomic():
                begin(level)
                list(Page.objects.all())
                read.set()
                page.text = "ours"
                page.save()
                assert changed.wait(20)
                arm(f"before {FLUSH}", action=lambda: reached.append(True))
        finally:
            read.set()
        return "committed"

    reached: list[bool] = []
    outcome = in_threads(rival=rival, end=end)
    text, told = Page.objects.get(pk=page.pk).text, _events_of(page)
    with transaction.atomic():
        begin(level)
        page.save()
    return {**outcome, "reached": bool(reached), "text": text, "told": told, "retried": _events_of(page)}


def in_threads(**functions: Callable[[], str]) -> dict[str, str]:
    """Return what each function returned or raised, each run in a thread with a connection of its own."""
    outcome: dict[str, str] = {}

    def run(name: str, function: Callable[[], str]) -> None:
        try:
            outcome[name] = function()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            outcome[name] = f"{type(error).__name__} of {type(error.__cause__).__name__}: {error}"
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in functions.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), outcome
    return outcome


def _look_for_deadlocks_after(wait: str) -> None:
    """On PostgreSQL whoever looks first, and finds one, is the one to fail; MariaDB takes who has written less."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL deadlock_timeout = '{wait}'")


def _lock_gaps() -> None:
    """On MariaDB a session locks what is not there yet under this level alone."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _hold_pending() -> None:
    """Let nobody else insert a pending event before this transaction ends."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE clean_timestamps_pending IN EXCLUSIVE MODE")
        else:
            cursor.execute("SELECT id FROM clean_timestamps_pending FOR UPDATE")


def waiting_sessions() -> int:
    """Return how many sessions of the server, which is ours alone, wait for a lock."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            return int(cursor.fetchone()[0])
        cursor.execute("SHOW ENGINE INNODB STATUS")
        return cursor.fetchone()[2].count("LOCK WAIT")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def _events_of(*entities: Any) -> int:
    found = 0
    for entity in entities:
        key = {"entity_type": entity._meta.label_lower, "entity_id": str(entity.pk)}
        found += Pending.objects.filter(**key).count() + Event.objects.filter(**key).count()
    return found
