"""``manage.py timestamps_replay``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from django_clean_timestamps.delivery.operations import replay, replay_entity
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.exceptions import DeliveryError
from django_clean_timestamps.management.entities import EntityArgument
from django_clean_timestamps.management.handler_command import HandlerCommand
from django_clean_timestamps.management.handler_places import find_databases, find_places
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Command(HandlerCommand):
    help = (
        "Let a handler hear the log again, all that is retained or from a position on, or one entity's events; "
        "event.replayed tells it so. Parked events from there on are heard in their turn."
    )
    keys = ("replayed", "entity")
    makes_due = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from",
            type=int,
            dest="from_position",
            metavar="POSITION",
            help="The first position to be heard again; the oldest that is retained by default.",
        )
        parser.add_argument(
            "--entity",
            nargs=2,
            metavar=("APP.MODEL", "KEY"),
            help="Only the events of this entity; later ones of it wait until these are heard.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        options["entity"] = options["entity"] and EntityArgument.parse(*options["entity"])
        if options["from_position"] is not None:
            self._refuse_several_logs(options)
        super().handle(*args, **options)

    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        start, entity = options["from_position"], options["entity"]
        if entity is None:
            return {"replayed": replay(handler, place, from_position=start), "entity": None}, ExitCode.WELL
        entity_id = entity.identify(place.log_alias).entity_id
        count = replay_entity(handler, place, entity.label, entity_id, from_position=start)
        if entity.model is None and not count:
            raise DeliveryError(entity.unknown_model)
        return {"replayed": count, "entity": f"{entity.label} {entity_id}"}, ExitCode.WELL

    def describe_done(self, row: Row) -> str:
        if row["entity"] is None:
            return f"{count_of(row['replayed'], 'position')} to be heard again"
        if not row["replayed"]:
            return f"has been past no event of {row['entity']} that is retained"
        return f"{count_of(row['replayed'], 'event')} of {row['entity']} to be heard again"

    def _refuse_several_logs(self, options: Mapping[str, Any]) -> None:
        chosen = self.chosen_logs(options)
        logs = {place.log_alias for place in find_places(options["handler"], find_databases(chosen), chosen)}
        if len(logs) > 1:
            raise CommandError(
                f"A position is one of a certain log, and {options['handler']!r} hears several: name one with "
                f"--database, of {', '.join(sorted(logs))}.",
                returncode=ExitCode.UNKNOWN,
            )
