"""The example's message broker, chosen by the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django_clean_timestamps.contrib.filesystem_broker import broker_url


def broker_settings(environment: Mapping[str, str], *, data_folder: Path) -> tuple[str, dict[str, Any]]:
    """
    Return ``CELERY_BROKER_URL`` and ``CELERY_BROKER_TRANSPORT_OPTIONS``.

    Without ``CELERY_BROKER_URL`` in the environment the broker is a folder: right for development, and nothing to
    install. It is for one machine. In production that is Redis or RabbitMQ, or no broker at all and
    ``manage.py timestamps_relay --watch``.

    Args:
        environment: Where the variable is looked up, usually ``os.environ``.
        data_folder: Where the broker's folder lies; absolute.

    Raises:
        ValueError: The variable names another kind of broker.
    """
    url = environment.get("CELERY_BROKER_URL") or broker_url(data_folder / "broker")
    scheme = url.partition(":")[0]
    if scheme in {"amqp", "amqps"}:
        # Without these RabbitMQ says nothing of a message that it could not keep, and with send=True that is an event.
        return url, {"confirm_publish": True}
    if scheme in {"redis", "rediss", "atomicfs"}:
        return url, {}
    raise ValueError(f"CELERY_BROKER_URL begins with {scheme!r}; it must be redis, amqp, or empty for a folder")
