"""Publishing events to a handler that is a Celery task with a queue of its own."""

from __future__ import annotations

import uuid

from django_clean_timestamps.delivery.doorbell.publishing import Publisher
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.events import TimestampEvent

__all__ = ["BrokerFailed", "Sender", "task_id_of"]


class BrokerFailed(Exception):  # noqa: N818 - the error is its cause
    """The broker did not take a task."""


class Sender:
    """
    Publishes events to one handler, over one connection that waits no longer than seconds for the broker.

    Args:
        handler: The handler, a Celery task.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        app = handler.task.app
        # An eager task runs here and now.
        self._publisher = None if app.conf.task_always_eager else Publisher(app)

    def send(self, event: TimestampEvent) -> None:
        """
        Publish the handler's task with the event; from there on it is Celery's own affair.

        Raises:
            BrokerFailed: Whatever went wrong: the event is published again later, under the same task id.
        """

        def publish(**how: object) -> None:
            # The task's own options say where to; the serializer is the one that knows events.
            task_id = task_id_of(self.handler, event)
            self.handler.task.apply_async((event,), task_id=task_id, serializer="json", **how)

        try:
            publish() if self._publisher is None else self._publisher.send(publish)
        except Exception as error:
            raise BrokerFailed(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        if self._publisher is not None:
            self._publisher.close()


def task_id_of(handler: Handler, event: TimestampEvent) -> str:
    """Return the id under which an event is published to a handler, each time the same."""
    return str(uuid.uuid5(event.event_id, handler.name))
