"""
The machine's message brokers, and Celery apps that use them; each test in a corner of its own.

``REDIS_HOST``, ``REDIS_PORT``, ``RABBITMQ_HOST`` and ``RABBITMQ_PORT`` say where they are.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery, _state
from kombu import Connection, Exchange, Queue

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
ARRIVES_SECONDS = 20


class Broker(ABC):
    """
    A queue that nobody else uses.

    Attributes:
        url: The broker's address.
        queue: The queue's name.
        options: What Celery's ``broker_transport_options`` must be.
    """

    title: str
    variable: str
    port: str

    def __init__(self) -> None:
        self.name = f"clean_timestamps_{uuid.uuid4().hex}"
        self.queue = f"{self.name}_queue"
        self.options: dict[str, Any] = {}

    @property
    def address(self) -> tuple[str, int]:
        return (
            os.environ.get(f"{self.variable}_HOST", "127.0.0.1"),
            int(os.environ.get(f"{self.variable}_PORT", self.port)),
        )

    @property
    @abstractmethod
    def url(self) -> str: ...

    @property
    def conf(self) -> dict[str, Any]:
        """What an app of Celery must be configured with."""
        return {
            "broker_url": self.url,
            "broker_transport_options": self.options,
            "task_default_queue": self.queue,
            "worker_enable_remote_control": False,
        }

    def take(self, queue: str | None = None) -> dict[str, Any] | None:
        """Return the headers of the next message, with its arguments and expiration, and remove it; None for none."""
        with self._connection() as connection:
            message = self._bound(connection, queue or self.queue).get(no_ack=True)
            if message is None:
                return None
            args, _, _ = json.loads(message.body)
            return {**message.headers, "args": args, "expiration": message.properties.get("expiration")}

    def take_all(self) -> list[dict[str, Any]]:
        messages = []
        while (message := self.take()) is not None:
            messages.append(message)
        return messages

    def wait_for(self, queue: str | None = None) -> dict[str, Any]:
        """Return the next message, once it is there."""
        deadline = time.monotonic() + ARRIVES_SECONDS
        while (message := self.take(queue)) is None:
            if time.monotonic() > deadline:
                pytest.fail("no message came")
            time.sleep(0.01)
        return message

    def require(self) -> None:
        """Leave the test out where there is no such broker; fail it where nothing may be left out."""
        try:
            socket.create_connection(self.address, timeout=5).close()
        except OSError as error:
            reason = f"{self.title} does not answer at {':'.join(map(str, self.address))}: {error}"
            if IN_CI:
                pytest.fail(f"{reason} (CI=true allows nothing to be left out)")
            pytest.skip(reason)

    @abstractmethod
    def clean_up(self) -> None:
        """Leave nothing behind."""

    def _connection(self) -> Connection:
        return Connection(self.url, transport_options=self.options)

    def _bound(self, connection: Connection, name: str) -> Queue:
        queue = Queue(name, Exchange(name), routing_key=name).bind(connection.default_channel)
        queue.declare()
        return queue


class RedisBroker(Broker):
    title = "Redis"
    variable = "REDIS"
    port = "6379"

    def __init__(self) -> None:
        super().__init__()
        self.options = {"global_keyprefix": f"{self.name}:"}

    @property
    def url(self) -> str:
        host, port = self.address
        return f"redis://{host}:{port}/0"

    def clean_up(self) -> None:
        import redis

        with redis.Redis(*self.address) as client:
            for key in client.scan_iter(f"{self.name}:*"):
                client.delete(key)


class RabbitMQBroker(Broker):
    title = "RabbitMQ"
    variable = "RABBITMQ"
    port = "5672"

    @property
    def url(self) -> str:
        host, port = self.address
        return f"amqp://guest:guest@{host}:{port}//"

    def clean_up(self) -> None:
        with self._connection() as connection:
            for name in (self.queue, f"{self.queue}_other"):
                channel = connection.channel()
                channel.queue_delete(name)
                channel.exchange_delete(name)


BROKERS = {"redis": RedisBroker, "rabbitmq": RabbitMQBroker}


@pytest.fixture(name="broker", params=BROKERS)
def broker_fixture(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Return a queue on each broker in turn."""
    yield from _prepared(BROKERS[request.param]())


@pytest.fixture(name="redis_broker")
def redis_broker_fixture() -> Iterator[Broker]:
    """Return a queue on Redis, where the kind of broker does not matter."""
    yield from _prepared(RedisBroker())


def _prepared(broker: Broker) -> Iterator[Broker]:
    broker.require()
    yield broker
    broker.clean_up()


@contextmanager
def celery_app(name: str = "tests", **conf: Any) -> Iterator[Celery]:
    """Make a Celery app that is the current one of every thread until the block ends."""
    before = _state.default_app, _state._tls.current_app
    app = Celery(name, set_as_current=False, fixups=[])
    app.conf.update(conf)
    app.set_default()
    app.set_current()
    try:
        yield app
    finally:
        _state.default_app, _state._tls.current_app = before
        app.close()
