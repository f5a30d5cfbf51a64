"""Publishing without ever waiting long for the broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from django_clean_timestamps.delivery.doorbell.messages import message_options

__all__ = ["Publisher", "publish"]

TIMEOUT_SECONDS: Final = 2.0
"""How long a connection may take to be made, and each answer to come."""

IDLE_SECONDS: Final = 60.0
"""How long a connection may lie idle: firewalls and brokers drop such ones without a word."""

_TIMEOUTS: Final = {
    "redis": ("socket_timeout", "socket_connect_timeout"),
    "amqp": ("read_timeout", "write_timeout"),
}


def publish(app: Any, name: str, *args: str) -> None:
    """
    Publish a task of the app over a connection that is opened for it and closed again.

    Raises:
        Exception: Whatever the transport raises where the broker does not take it, within seconds.
    """
    publisher = Publisher(app)
    try:
        publisher.publish(name, *args)
    finally:
        publisher.close()


class Publisher:
    """
    Publishes tasks of one Celery app over a connection of its own; for one thread.

    Args:
        app: The app.
        clock: Returns seconds that only ever grow.
    """

    def __init__(self, app: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self._clock = clock
        self._producer: Any = None
        self._used_at = 0.0

    def publish(self, name: str, *args: str) -> None:
        """
        Publish one of our tasks, see :meth:`send`.

        Raises:
            Exception: Whatever the transport raises where the broker does not take it, within seconds.
        """
        self.send(lambda **how: self.app.send_task(name, args, **how, **message_options()))

    def send(self, publish: Callable[..., object]) -> None:
        """
        Have a message published, and wait no longer than seconds for the broker.

        Where a connection that was used before fails, a new one is tried at once.

        Args:
            publish: Called with the options of Celery's ``apply_async()`` that say over what and how patiently.

        Raises:
            Exception: Whatever the transport raises where the broker does not take it.
        """
        if self._producer is not None and self._clock() - self._used_at < IDLE_SECONDS:
            with suppress(Exception):
                self._send(publish)
                return
        self.close()
        try:
            self._producer = self._connect()
            self._send(publish)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # The broker may be gone by now.
            with suppress(Exception):
                producer.connection.release()

    def _send(self, publish: Callable[..., object]) -> None:
        publish(
            producer=self._producer,
            retry=False,
            timeout=TIMEOUT_SECONDS,
            confirm_timeout=TIMEOUT_SECONDS,
            # In a worker there may be a task around, which has nothing to do with it.
            add_to_parent=False,
        )
        self._used_at = self._clock()

    def _connect(self) -> Any:
        connection = self.app.connection_for_write(connect_timeout=TIMEOUT_SECONDS, heartbeat=0)
        # Other kinds of broker do not know these options.
        names = _TIMEOUTS.get(connection.get_transport_cls().driver_type, ())
        connection.transport_options = {**connection.transport_options, **dict.fromkeys(names, TIMEOUT_SECONDS)}
        try:
            # Once for each broker that the project names.
            connection.ensure_connection(max_retries=max(len(connection.alt) - 1, 0))
            return self.app.amqp.Producer(connection, auto_declare=False)
        except Exception:
            connection.release()
            raise
