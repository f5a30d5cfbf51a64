"""Waiting until every event is delivered, and saying what is missing where that does not come."""

import io
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, connections

from demo.worker import Worker
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import read_subscriptions
from django_clean_timestamps.eventlog.status import read_status

# How long nothing may move. A worker needs some seconds to start, and on a busy machine some more.
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1


class DeliveryError(Exception):
    """Something is missing, and will not come; the message says what."""


def undelivered() -> list[str]:
    """Return a sentence for everything that some handler has not heard, none where each has heard all; one look."""
    subscriptions = read_subscriptions(DEFAULT_DB_ALIAS, [DEFAULT_DB_ALIAS])
    lacks = [
        f"{each.handler} stands at position {each.cursor:,} with {each.lag_count:,} to go, {each.retry_count} to be "
        f"retried, {each.waiting_count} waiting behind those and {each.dead_count} dead"
        for each in subscriptions
        if each.lag_count or each.retry_count or each.waiting_count or each.dead_count
    ]
    lacks += [
        f"no worker knows of {name}"
        for name in sorted(get_handlers().keys() - {each.handler for each in subscriptions})
    ]
    if count := read_status(DEFAULT_DB_ALIAS).pending_count:
        lacks.append(f"{count:,} events or more have no position yet")
    return lacks


def wait_until_nothing_lacks(
    worker: Worker, lacks: Callable[[], list[str]] = undelivered, *, patience: float = PATIENCE_SECONDS
) -> float:
    """
    Return how many seconds it took until nothing was missing.

    Args:
        worker: Who delivers.
        lacks: Returns what is missing, in sentences that change as things move.
        patience: How long they may stay as they are, in seconds.

    Raises:
        DeliveryError: They stayed so for so long, the worker has ended, or an event is dead.
    """
    started = moved_at = time.monotonic()
    before: list[str] = []
    while found := lacks():
        now = time.monotonic()
        if found != before:
            before, moved_at = found, now
        if worker.has_ended:
            raise DeliveryError(_told(found, f"the worker has ended with {worker.process.returncode}", worker))
        if ParkedEvent.objects.filter(state=ParkedEvent.State.DEAD).exists():
            raise DeliveryError(_told(found, "an event is dead", worker))
        if now - moved_at > patience:
            raise DeliveryError(_told(found, f"nothing has moved for {patience:g} seconds", worker))
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - started


def report(worker: Worker, write: Callable[[str], object], is_stopping: threading.Event) -> None:
    """Write when everything is delivered, and where that does not come; for a thread of its own, until stopped."""
    try:
        seconds = wait_until_nothing_lacks(worker)
        write(f"The worker has delivered everything, {seconds:.1f} seconds after it was started.")
        while not is_stopping.wait(1):
            if worker.has_ended:
                raise DeliveryError(f"The worker has ended with {worker.process.returncode}; see {worker.log}")
    except DeliveryError as error:
        if not is_stopping.is_set():
            write(str(error))
    finally:
        connections.close_all()


def _told(lacks: list[str], why: str, worker: Worker) -> str:
    output = io.StringIO()
    # It says what is wrong, and then ends so.
    with suppress(CommandError, SystemExit):
        call_command("timestamps_status", stdout=output, stderr=output)
    lines = [f"Not everything was delivered, and {why}:", *lacks, "", "manage.py timestamps_status says:"]
    return "\n".join([*lines, output.getvalue(), "The worker said at the end:", worker.last_lines()])
