"""The transport: what kombu asks of a broker, by files in folders."""

# mypy: allow-untyped-calls
# Most of kombu has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from kombu.transport import virtual

from django_clean_timestamps.contrib.filesystem_broker.channel import Channel
from django_clean_timestamps.contrib.filesystem_broker.folders import Folders

__all__ = ["Transport"]


class Transport(virtual.Transport):
    """The transport of ``atomicfs://``; in ``transport_options`` what kombu's own takes, and ``recovery_interval``."""

    Channel = Channel
    # As with kombu's own: it keeps Celery from gossiping over it.
    driver_type = "filesystem"
    driver_name = "atomicfs"
    implements = virtual.Transport.implements.extend(
        asynchronous=False, exchange_type=frozenset(["direct", "topic", "fanout"])
    )
    # Seconds between two looks of an idle consumer.
    polling_interval = 0.1
    # Seconds between two looks for consumers that were killed.
    recovery_interval = 5.0

    _states: ClassVar[dict[Path, Any]] = {}

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.folders = Folders.of(client.transport_options, host=client.hostname, path=client.virtual_host)
        # Which types the exchanges have is known to all connections of a process, as with kombu's own.
        self.state = self._states.setdefault(self.folders.control, virtual.BrokerState())
        self.recovery_interval = client.transport_options.get("recovery_interval", self.recovery_interval)
