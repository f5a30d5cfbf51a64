"""Where subscriptions live: in the databases that handlers write to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db import connections, router

from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.aliases import is_read_only

__all__ = ["Place", "aliases_of_log", "cursors_of_log", "delivery_aliases", "has_delivery_tables", "places_of"]


class Place(NamedTuple):
    """Where a handler's subscription to a log is: in which database, and to which log."""

    using: str
    log_alias: str


def aliases_of_log(log_alias: str) -> tuple[str, ...]:
    """Return the databases that handlers of a log keep their subscriptions in, asking none of them."""
    named = {handler.using for handler in get_handlers().values() if handler.using is not None}
    return tuple(dict.fromkeys([log_alias, *sorted(named)]))


def cursors_of_log(log_alias: str) -> Iterable[int]:
    """Return how far each subscription to a log is; those whose handlers are gone too, as long as they are kept."""
    for alias in aliases_of_log(log_alias):
        yield from Subscription._base_manager.using(alias).filter(log_alias=log_alias).values_list("cursor", flat=True)


def delivery_aliases() -> tuple[str, ...]:
    """Return the databases that have the tables of delivery and can be written to, by asking them."""
    return tuple(alias for alias in connections if has_delivery_tables(alias) and not is_read_only(alias))


def has_delivery_tables(alias: str) -> bool:
    """Say whether a database has the tables of delivery and the routers mean it to, by asking it."""
    tables = connections[alias].introspection.table_names
    return router.allow_migrate_model(alias, Subscription) and Subscription._meta.db_table in tables()


def places_of(handler: str, aliases: Iterable[str] | None = None) -> Iterator[Place]:
    """
    Yield where a handler has subscriptions or parked events, whether it is in the code or not.

    Args:
        handler: Its name.
        aliases: The databases to look in; by default all that have the tables.
    """
    for alias in delivery_aliases() if aliases is None else aliases:
        logs = {
            log_alias
            for model in (Subscription, ParkedEvent)
            for log_alias in model._base_manager.using(alias)
            .filter(handler=handler)
            .values_list("log_alias", flat=True)
            .distinct()
        }
        yield from (Place(alias, log_alias) for log_alias in sorted(logs))
