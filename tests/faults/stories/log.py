"""The log's own life: its head, its isolation, its retention."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.eventlog import retention
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import SequencingError
from tests.faults.app.models import Counter
from tests.faults.points import armed
from tests.faults.stories import story
from tests.faults.stories.forks import fork, wait_for


@story
def sequence_at_once(processes: int) -> list[int]:
    """Return how many events each of some processes moved that began at the same moment."""
    start = time.time() + 0.3

    def one(path: Path) -> None:
        time.sleep(max(0, start - time.time()))
        path.write_text(str(sequence()))

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) for number in range(processes)]
        children = [fork(lambda path=path: one(path)) for path in paths]
        ends = [wait_for(child) for child in children]
        assert ends == [0] * processes, ends
        return [int(path.read_text()) for path in paths]


@story
def sequence_while_one_vanishes() -> dict[str, Any]:
    """Let somebody else remove a pending event in the midst of a pass; return what that raised and has left."""
    raised = None

    def remove() -> None:
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("DELETE FROM clean_timestamps_pending WHERE id = %s", [first])
        other.close()

    first = Pending.objects.order_by("pk").values_list("pk", flat=True)[0]
    try:
        with armed("before INSERT INTO clean_timestamps_event", action=remove):
            sequence()
    except SequencingError as error:
        raised = str(error)
    return {"raised": raised, "sequenced": Event.objects.count(), "pending": Pending.objects.count()}


@story
def isolation_of_a_pass() -> list[str]:
    """Return the isolation level of a transaction before a pass of the sequencer, in it, and behind it."""

    def level() -> str:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SHOW transaction_isolation")
                return str(cursor.fetchone()[0])
            # The session's variable does not show what was set for one transaction alone.
            cursor.execute("SELECT count(*) FROM clean_timestamps_loghead")
            time.sleep(0.2)
            cursor.execute(
                "SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()"
            )
            return str(cursor.fetchone()[0]).lower()

    def in_a_transaction() -> str:
        with transaction.atomic():
            return level()

    levels = [in_a_transaction()]
    with armed("before DELETE FROM clean_timestamps_pending", action=lambda: levels.append(level())):
        sequence()
    return [*levels, in_a_transaction()]


@story
def prune() -> int:
    """Remove what retention lets go, and return how much that was."""
    return retention.prune()


@story
def import_old(year: int, count: int) -> None:
    """Write rows that are years old, as an import does."""
    with stamped_at(datetime(year, 1, 1, tzinfo=UTC)), timestamp_context(reason="1"):
        Counter.objects.create(name=f"old {year}", flock=-1)
        Counter.objects.bulk_create([Counter(name=f"old {year} {number}", flock=-1) for number in range(count - 1)])
