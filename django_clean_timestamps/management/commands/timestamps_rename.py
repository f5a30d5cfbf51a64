"""``manage.py timestamps_rename``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from django_clean_timestamps.delivery.operations import rename
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.exceptions import DeliveryError
from django_clean_timestamps.management.handler_command import HandlerCommand
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Command(HandlerCommand):
    help = (
        "Let a handler that goes by another name in the code go on where it is. Best while no worker runs, between the "
        "release that has the old name and the one that has the new."
    )
    keys = ("new", "shards")
    makes_due = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("new", metavar="NEW", help="Its name from now on.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["handler"] == options["new"]:
            raise CommandError(f"The names are the same, {options['new']!r}.", returncode=ExitCode.UNKNOWN)
        super().handle(*args, **options)

    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        new = options["new"]
        declared = get_handlers().get(new)
        if declared is not None and declared.alias_for(place.log_alias) != place.using:
            raise DeliveryError(
                f"{new!r} writes to {declared.alias_for(place.log_alias)!r}, and the subscription of {handler!r} is in "
                f"{place.using!r}, where nobody would move it any more. Nothing was changed"
            )
        return {"new": new, "shards": rename(handler, new, place)}, ExitCode.WELL

    def describe_done(self, row: Row) -> str:
        return f"goes by {row['new']} now, {count_of(row['shards'], 'shard')}"
