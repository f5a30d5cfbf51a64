"""Workers without a broker: processes that drain, once or again and again."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from django.db import Error, connection

from django_clean_timestamps.delivery import operations
from django_clean_timestamps.delivery.doorbell import DRAIN
from django_clean_timestamps.delivery.doorbell.publishing import Publisher
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.operations import retry
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.status import read_subscriptions
from django_clean_timestamps.eventlog.models import LogHead, Pending
from django_clean_timestamps.exceptions import CleanTimestampsError
from tests.faults.celery_app import app
from tests.faults.stories import say, story
from tests.faults.stories.forks import fork, wait_for

SECONDS_BETWEEN_DRAINS = 0.02
MOVING = (ParkedEvent.State.RETRY, ParkedEvent.State.WAITING)


@story
def drain_once() -> dict[str, Any]:
    """Drain until nothing is due, and return what that did."""
    drained = drain()
    return {"sequenced": drained.sequenced, "delivered": drained.delivered, "parked": drained.parked}


@story
def drain_again_and_again(seconds: float | None = None) -> dict[str, Any]:
    """Drain as a relay does, over whatever happens to the database, until SIGTERM or as long as given; say "ready"."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    deadline = None if seconds is None else time.monotonic() + seconds
    delivered, errors = 0, []
    say("ready")
    while not stopped and (deadline is None or time.monotonic() < deadline):
        try:
            delivered += drain(seconds=1, should_stop=lambda: bool(stopped)).delivered
        except (Error, CleanTimestampsError) as error:
            errors.append(f"{type(error).__name__}: {error}")
            connection.close()
        time.sleep(SECONDS_BETWEEN_DRAINS)
    return {"delivered": delivered, "errors": errors}


@story
def deliver_all(seconds: float = 60, blocked: int = 0, tolerant: bool = False) -> dict[str, Any]:
    """
    Drain until everything is delivered or dead, also what a dead worker's lease or a backoff holds up.

    Args:
        seconds: After which time that is taken for never.
        blocked: How many events are to wait behind dead ones for ever.
        tolerant: Whether to go on after an error of the database, as a worker does.
    """
    started, errors, left = time.monotonic(), [], None
    while True:
        try:
            drain()
            if (left := _what_is_left(blocked)) is None:
                return {"seconds": time.monotonic() - started, "dead": _dead(), "errors": errors}
        except Error as error:
            if not tolerant:
                raise
            errors.append(f"{type(error).__name__}: {error}")
            connection.close()
        assert time.monotonic() < started + seconds, f"never delivered: {left} {errors}"
        time.sleep(SECONDS_BETWEEN_DRAINS)


def _what_is_left(blocked: int) -> Any:
    head = LogHead.objects.values_list("position", flat=True).first() or 0
    waiting = ParkedEvent.objects.filter(state__in=MOVING)
    behind = Subscription.objects.exclude(cursor=head, until=None)
    if Pending.objects.exists() or waiting.count() != blocked or behind.exists():
        return [*read_subscriptions("default"), *waiting.values()[:10]]
    return None


def _dead() -> list[tuple[str, str]]:
    rows = ParkedEvent.objects.filter(state=ParkedEvent.State.DEAD).order_by("handler", "position")
    return [(row.event["entity_id"], int(row.event["reason"])) for row in rows]


@story
def retry_at_once(people: int) -> list[int]:
    """Let some people retry all dead events at the same moment, and return how many each of them found."""
    start = time.time() + 0.2

    def one(path: Path) -> None:
        time.sleep(max(0, start - time.time()))
        path.write_text(str(retry(ParkedEvent.objects.filter(state=ParkedEvent.State.DEAD))))

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) for number in range(people)]
        children = [fork(lambda path=path: one(path)) for path in paths]
        ends = [wait_for(child) for child in children]
        assert ends == [0] * people, ends
        return [int(path.read_text()) for path in paths]


@story
def reshard(count: int, name: str = "ledger") -> bool:
    return operations.reshard(name, Place("default", "default"), count)


@story
def ring(count: int) -> int:
    """Publish that many doorbells at once, as so many processes would that have just committed."""
    publisher = Publisher(app)
    for _ in range(count):
        publisher.publish(DRAIN, "default")
    publisher.close()
    return count
