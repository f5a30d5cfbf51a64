"""The channel: publishes and consumes, binds and deletes queues, by files in folders."""

# mypy: allow-untyped-calls
# Most of kombu has no types.

from __future__ import annotations

import stat
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from shutil import rmtree
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import virtual
from kombu.utils.json import dumps, loads

from django_clean_timestamps.contrib.filesystem_broker.bindings import Binding, Bindings
from django_clean_timestamps.contrib.filesystem_broker.claims import Claims, claims_on
from django_clean_timestamps.contrib.filesystem_broker.files import (
    MESSAGE,
    REDELIVERED,
    listed_without_gaps,
    new_id,
    queue_folder,
    sweep_unfinished,
    write_whole,
)
from django_clean_timestamps.contrib.filesystem_broker.folders import Folders

__all__ = ["Channel", "QoS"]


class QoS(virtual.QoS):
    """Settles a message when it is acknowledged; its delivery tag is its entry."""

    def ack(self, delivery_tag: str) -> None:
        super().ack(delivery_tag)
        self.channel.settle(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        super().reject(delivery_tag, requeue=requeue)
        if not requeue:
            self.channel.settle(delivery_tag)


class Channel(virtual.Channel):
    """
    Publishes to and consumes from the folders of its connection.

    Raises:
        ChannelError: A folder cannot be made, or a file in one of them cannot be written, listed or taken.
    """

    QoS = QoS
    supports_fanout = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        self.folders: Folders = connection.folders
        self.folders.make()
        super().__init__(connection, **kwargs)
        self._bindings = Bindings(self.folders.control)
        # What the last look into each queue's folder found: a long queue is not to be listed for each of its messages.
        self._found: defaultdict[str, deque[str]] = defaultdict(deque)
        # Queues that go with their consumers, and queues whose messages nobody acknowledges.
        self._temporary: set[str] = set()
        self._unacknowledged: set[str] = set()
        self._recover_at = 0.0
        self._settled = threading.Event()

    def settle(self, entry: str) -> None:
        """Delete a message that was taken, or keep it among those that are processed."""
        self._claims.settle(entry, keep_in=self.folders.processed)
        self._settled.set()

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        exchange = exchange or "amq.direct"
        consumer = self._claims.consumer if queue in self._temporary else None
        try:
            self._bindings.add(exchange, self._binding(queue, exchange, routing_key, arguments), consumer=consumer)
        except OSError as error:
            raise ChannelError(f"The queue {queue} cannot be bound to the exchange {exchange}: {error}") from error

    def queue_unbind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", arguments: Any = None, **kwargs: Any
    ) -> None:
        exchange = exchange or "amq.direct"
        self._bindings.remove(exchange, self._binding(queue, exchange, routing_key, arguments))

    def get_table(self, exchange: str) -> list[Binding]:
        return self._bindings.of(exchange)

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        self._bindings.forget_exchange(exchange)
        self.state.exchanges.pop(exchange, None)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any) -> None:
        if not (if_empty and self._size(queue)):
            self._bindings.forget_queue(queue_folder(queue))
            rmtree(self.folders.data_in / queue_folder(queue), ignore_errors=True)

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Any], Any], consumer_tag: str, **kwargs: Any
    ) -> None:
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        (self._unacknowledged.add if no_ack else self._unacknowledged.discard)(queue)
        if queue in self._temporary:
            self._claims.begin(queue_folder(queue))

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue in self._temporary and self._claims.end(queue_folder(queue)):
            self.queue_delete(queue)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.settle(message.delivery_tag)
        return message

    def drain_events(self, timeout: float | None = None, callback: Callable[[Any, str], Any] | None = None) -> Any:
        if self._consumers and time.monotonic() >= self._recover_at:
            self._recover()
        self._settled.clear()
        if self._consumers and not self.qos.can_consume():
            # Until another thread has settled one: a whole interval for each handful of messages would be slow.
            interval = self.connection.polling_interval or 0
            self._settled.wait(interval if timeout is None else min(interval, timeout))
        return super().drain_events(timeout=timeout, callback=callback)

    def close(self) -> None:
        # Before the queues that go with their consumers are gone: giving a message back would make them anew.
        if self._qos is not None:
            self._qos.restore_unacked_once()
        super().close()

    @property
    def _claims(self) -> Claims:
        return claims_on(self.folders.data_in)

    def _binding(self, queue: str, exchange: str, routing_key: str | None, arguments: Any) -> Binding:
        return Binding(*self.typeof(exchange).prepare_bind(queue, exchange, routing_key or "", arguments))

    def _new_queue(self, queue: str, auto_delete: bool = False, exclusive: bool = False, **kwargs: Any) -> None:
        if auto_delete or exclusive:
            self._temporary.add(queue)
            # What was sent to a killed consumer of the same name is not for this one.
            self._recover()

    def _recover(self) -> None:
        self._recover_at = time.monotonic() + self.connection.recovery_interval
        for folder in (self.folders.data_in, self.folders.control):
            sweep_unfinished(folder)
        self._claims.recover(self._bindings)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        root, data = self.folders.data_out, dumps(message).encode()
        try:
            write_whole(root, root / queue_folder(queue) / f"{new_id()}{MESSAGE}", data)
        except OSError as error:
            raise ChannelError(f"No message can be written to the queue {queue}: {error}") from error

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **kwargs: Any) -> None:
        for binding in self.get_table(exchange):
            self._put(binding.queue, message)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        for entry in self._entries(queue):
            taken = self._claims.take(entry)
            message = None if taken is None else self._open(entry, taken)
            if message is not None:
                return message
        raise Empty

    def _get_and_deliver(self, queue: str, callback: Callable[[Any, str], Any]) -> None:
        message = self._get(queue)
        if queue in self._unacknowledged:
            self.settle(message["properties"]["delivery_tag"])
        callback(message, queue)

    def _entries(self, queue: str) -> Iterator[str]:
        """Yield what waits in a queue: first what was found before, then what is found now."""
        found = self._found[queue_folder(queue)]
        while found:
            yield found.popleft()
        found.extend(self._listed(queue))
        while found:
            yield found.popleft()

    def _listed(self, queue: str) -> list[str]:
        folder = queue_folder(queue)
        try:
            return [f"{folder}/{name}" for name in listed_without_gaps(self.folders.data_in / folder)]
        except OSError as error:
            raise ChannelError(f"The queue {queue} cannot be read: {error}") from error

    def _open(self, entry: str, taken: Path) -> dict[str, Any] | None:
        try:
            payload: dict[str, Any] = loads(_read_file(taken))
            payload["properties"]["delivery_tag"] = entry
            if entry.endswith(REDELIVERED):
                payload["properties"].setdefault("delivery_info", {})["redelivered"] = True
            # What kombu makes no message of here would end the worker when it is delivered.
            self.Message(payload, channel=self)
        except Exception as error:  # noqa: BLE001 - whatever is in a foreign file, the queue goes on
            self._claims.put_aside(entry, f"{type(error).__name__}: {error}")
            return None
        return payload

    def _restore(self, message: Any) -> None:
        entry = self._claims.give_back(message.delivery_tag)
        if entry is not None:
            self._found[entry.partition("/")[0]].appendleft(entry)

    def _purge(self, queue: str) -> int:
        count = 0
        for entry in self._listed(queue):
            # A folder is left to a consumer, which puts it aside; what another has taken is not purged.
            with suppress(OSError):
                (self.folders.data_in / entry).unlink()
                count += 1
        return count

    def _size(self, queue: str) -> int:
        return len(self._listed(queue))


def _read_file(path: Path) -> bytes:
    # Opening a pipe would wait for ever.
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("it is no file")
    return path.read_bytes()
