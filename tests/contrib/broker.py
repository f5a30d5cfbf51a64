"""What the tests of the broker share: connections, and looks into its folders."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu import Connection

from django_clean_timestamps.contrib.filesystem_broker import broker_url
from django_clean_timestamps.contrib.filesystem_broker.files import queue_folder

OPTIONS = {"polling_interval": 0.01, "recovery_interval": 0.0}
HOUR = 3_600


@contextmanager
def connected(folder: Path, **options: Any) -> Iterator[Connection]:
    with Connection(broker_url(folder), transport_options={**OPTIONS, **options}) as connection:
        yield connection


def send(channel: Any, *bodies: object, queue: str = "work", exchange: str = "") -> None:
    for body in bodies:
        channel.Producer().publish(body, exchange=exchange, routing_key=queue)


def receive(channel: Any, queue: str = "work") -> list[object]:
    """Return the bodies of all that waits in a queue, and acknowledge it."""
    bodies = []
    while (message := channel.basic_get(queue)) is not None:
        message.ack()
        bodies.append(message.payload)
    return bodies


def files(root: Path) -> list[str]:
    """Return what there is below a folder, without folders and the locks of consumers."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.name != ".lock" and not path.is_dir())


def waiting(messages: Path, queue: str = "work") -> list[Path]:
    return sorted((messages / queue_folder(queue)).iterdir())
