"""Parked events as somebody named them on the command line."""

from __future__ import annotations

import shlex
from argparse import ArgumentTypeError
from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.exceptions import DeliveryError

__all__ = ["event_argument", "find_parked", "first_of_entity", "parked_handlers", "place_of", "refuse_followers"]

State = ParkedEvent.State
NUMBERS_BELOW: Final = 2**63
NUMBER_LENGTH: Final = 19


def event_argument(text: str) -> int | UUID:
    """
    Return the number of a parked event, or the id of an event.

    Raises:
        ArgumentTypeError: It is neither.
    """
    # A UUID may be of digits alone, too, and is longer then.
    if text.isdecimal() and len(text) <= NUMBER_LENGTH and int(text) < NUMBERS_BELOW:
        return int(text)
    try:
        return UUID(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is neither the number of a parked event nor the UUID of an event; see timestamps_explain"
        ) from error


def find_parked(
    wanted: int | UUID, aliases: Iterable[str], *, handler: str | None, logs: Collection[str] | None
) -> list[ParkedEvent]:
    """
    Return the parked events with this number, or of the event with this id.

    Args:
        wanted: The number of a row, which each database gives anew, or an event's id, which several handlers may
            have failed on.
        aliases: The databases to look in.
        handler: Whose, None for any.
        logs: Of which logs, None for all.
    """
    chosen: dict[str, Any] = {"id": wanted} if isinstance(wanted, int) else {"event__event_id": str(wanted)}
    if handler is not None:
        chosen["handler"] = handler
    return [
        row
        for alias in aliases
        for row in ParkedEvent.objects.using(alias).filter(**chosen).order_by("handler", "log_alias")
        if logs is None or row.log_alias in logs
    ]


def parked_handlers(aliases: Iterable[str], logs: Collection[str] | None) -> list[tuple[str, Place]]:
    """Return which handlers have an event that is dead or to be retried, and where."""
    return [
        (handler, Place(alias, log_alias))
        for alias in aliases
        for handler, log_alias in ParkedEvent.objects.using(alias)
        .filter(state__in=[State.RETRY, State.DEAD])
        .values_list("handler", "log_alias")
        .distinct()
        .order_by("handler", "log_alias")
        if logs is None or log_alias in logs
    ]


def place_of(row: ParkedEvent) -> Place:
    """Return where a parked event is."""
    return Place(str(row._state.db), row.log_alias)


def refuse_followers(row: ParkedEvent) -> None:
    """
    Refuse what a retry would leave as it is: what waits behind another event, and what was given up.

    Raises:
        DeliveryError: It is one of these; the message says what to do.
    """
    told = f"Event #{row.position:,} of {row.entity_key}"
    if row.state == State.SKIPPED:
        raise DeliveryError(
            f"{told} was given up ({row.last_error.splitlines()[0]}); to have it heard all the same, run "
            f"'manage.py timestamps_replay {row.handler} --from {row.position} --entity {_typed(row)}'"
        )
    if row.state == State.WAITING:
        first = first_of_entity(row)
        behind = "" if first is None else f" behind #{first.position:,}: retry that, with --event {first.pk}"
        raise DeliveryError(f"{told} waits{behind}")


def first_of_entity(row: ParkedEvent) -> ParkedEvent | None:
    """Return the event that a waiting one waits behind."""
    rows = ParkedEvent.objects.using(row._state.db).filter(
        handler=row.handler, log_alias=row.log_alias, entity_key=row.entity_key, position__lt=row.position
    )
    holding = rows.filter(state__in=[State.RETRY, State.DEAD]).order_by("position")
    # MariaDB may find "a" where "A" was asked for.
    return next((each for each in holding if each.entity_key == row.entity_key), None)


def _typed(row: ParkedEvent) -> str:
    return f"{row.event['entity_type']} {shlex.quote(row.event['entity_id'])}"
