"""What ``growth`` asks of delivery, in a log of so many rows: a batch, a new subscription, and a replay's page."""

from collections.abc import Callable
from typing import Any, Literal

from benchmarks.database import empty, settle
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.registry import only_handlers

HANDLER = "bench.growth"
BATCH = 500
"""What ``BATCH_SIZE`` is unless a project says otherwise."""


def delivery_batch(size: int) -> Callable[[], None]:
    """Return a drain that finds one batch at the end of the log."""
    first = max(size - BATCH, 0)
    _subscribe(cursor=first)
    return _drain(first, size)


def new_subscription(size: int) -> Callable[[], None]:
    """Return a drain that meets a handler for the first time, and so subscribes it at the head."""
    empty(Subscription, ParkedEvent)
    return _drain(size, size)


def new_replay(size: int) -> Callable[[], None]:
    """Return one that subscribes it at the oldest event that is retained, and handles one batch."""
    empty(Subscription, ParkedEvent)
    return _drain(0, min(BATCH, size), replay="all")


def replay_page(size: int) -> Callable[[], None]:
    """Return a drain that handles one batch in the middle of a replay."""
    middle = size // 2
    _subscribe(cursor=middle, replay_until=size)
    return _drain(middle, min(middle + BATCH, size), replay="all")


MEASURED = (delivery_batch, new_subscription, new_replay, replay_page)


def _subscribe(**columns: Any) -> None:
    empty(Subscription, ParkedEvent)
    Subscription.objects.create(handler=HANDLER, log_alias="default", **columns)
    settle(Subscription)


def _drain(first: int, last: int, *, replay: Literal["all"] | None = None) -> Callable[[], None]:
    """Return a drain that ends after one batch where there is more, and that fails where it did anything else."""
    handled: list[int] = []

    def handle(events: list[Any]) -> None:
        handled.append(len(events))

    def run() -> None:
        with only_handlers():
            on_timestamp(name=HANDLER, batch=True, replay=replay)(handle)
            done = drain(should_stop=(lambda: bool(handled)) if replay else None)
        reached = Subscription.objects.get().cursor
        if (done.delivered, reached) != (last - first, last):
            raise RuntimeError(f"{done.delivered} events up to {reached} instead of {last - first} up to {last}")

    return run
