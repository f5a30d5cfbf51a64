"""Where the handler that somebody named has something, and what to say where it has nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from django.core.management.base import CommandError
from django.db import connections

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.places import Place, aliases_of_log, has_delivery_tables, places_of
from django_clean_timestamps.delivery.registry import MODULE_NAME, get_handlers
from django_clean_timestamps.eventlog.aliases import is_read_only
from django_clean_timestamps.management.log_command import FAILURES, ExitCode, one_line
from django_clean_timestamps.management.words import near_words

__all__ = ["Databases", "find_databases", "find_places", "refuse_unknown"]


class Databases(NamedTuple):
    """
    The databases that can hold subscriptions.

    Attributes:
        aliases: Those that have the tables and take writes.
        read_only: Those that have the tables and are replicas.
        failed: Those that could not be asked, and what they said.
    """

    aliases: tuple[str, ...]
    read_only: tuple[str, ...]
    failed: dict[str, str]


def find_databases(logs: Iterable[str] | None = None) -> Databases:
    """
    Return which databases can hold subscriptions, by asking each that the routers allow.

    Args:
        logs: To these logs: those are asked and the ones that their handlers write to. None for all, where what is left
            of handlers that are gone is found too.
    """
    candidates = connections if logs is None else dict.fromkeys(each for log in logs for each in aliases_of_log(log))
    aliases: list[str] = []
    read_only: list[str] = []
    failed: dict[str, str] = {}
    for alias in candidates:
        try:
            if has_delivery_tables(alias):
                (read_only if is_read_only(alias) else aliases).append(alias)
        except FAILURES as error:
            failed[alias] = one_line(error)
    return Databases(tuple(aliases), tuple(read_only), failed)


def find_places(handler: str, databases: Databases, logs: Collection[str] | None) -> list[Place]:
    """
    Return where a handler has subscriptions or parked events, whether it is in the code or not.

    Args:
        handler: Its name.
        databases: Where to look.
        logs: To which logs, None for all.

    Raises:
        CommandError: Nowhere; the message says what is known instead.
    """
    found = list(places_of(handler, databases.aliases))
    places = [place for place in found if logs is None or place.log_alias in logs]
    if places:
        return places
    if found:
        has = ", ".join(place.log_alias for place in found)
        raise CommandError(
            f"{handler!r} has no subscription to the log of {', '.join(logs or ())}; it has to that of {has}.",
            returncode=ExitCode.UNKNOWN,
        )
    refuse_unknown(handler, databases)
    log = "" if logs is None else f" to the log of {', '.join(logs)}"
    raise CommandError(
        f"{handler!r} has no subscription{log} yet: it begins at its first drain. Run 'manage.py timestamps_relay' "
        f"first.{_not_asked(databases)}",
        returncode=ExitCode.UNKNOWN,
    )


def refuse_unknown(handler: str, databases: Databases) -> None:
    """
    Refuse a name that is neither in the code nor in a subscription.

    Raises:
        CommandError: With the names that are near and those that are known.
    """
    known = sorted({*get_handlers(), *_subscribed(databases)})
    if handler in known:
        return
    told = (
        near_words(handler, known)
        if known
        else f"none is in the code, where they stand in {MODULE_NAME}.py of an installed app, nor in a subscription."
    )
    raise CommandError(f"There is no handler {handler!r}: {told}{_not_asked(databases)}", returncode=ExitCode.UNKNOWN)


def _subscribed(databases: Databases) -> Iterator[str]:
    for alias in databases.aliases:
        yield from Subscription.objects.using(alias).values_list("handler", flat=True).distinct()


def _not_asked(databases: Databases) -> str:
    return "".join(f" The database {alias!r} could not be asked: {error}" for alias, error in databases.failed.items())
