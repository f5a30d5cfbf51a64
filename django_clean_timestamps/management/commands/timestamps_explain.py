"""``manage.py timestamps_explain``."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.management.entities import EntityArgument
from django_clean_timestamps.management.explaining.lines import story_as_json, story_lines
from django_clean_timestamps.management.explaining.story import read_story
from django_clean_timestamps.management.handler_places import find_databases, refuse_unknown
from django_clean_timestamps.management.log_command import ExitCode, LogCommand, NotMeant, Result, Row

__all__ = ["Command"]

EVENT_COUNT = 20
MOST_EVENTS = 10_000


class Command(LogCommand):
    help = (
        "Tell one entity's story: its stamps, its newest events with what each handler made of them, what is parked "
        "and why; and say why it has this stamp, and why a handler did not hear of it yet. A row that was deleted has "
        "a story too, as long as its events are kept."
    )
    writes = False
    keys = ("entity_type", "entity_id", "row", "events", "parked", "answers")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", metavar="APP.MODEL", help="The label of the entity's model.")
        parser.add_argument("key", metavar="KEY", help="Its primary key, or its id in the log.")
        parser.add_argument("--handler", metavar="NAME", help="Tell of this handler only.")
        parser.add_argument(
            "--limit",
            type=_limit,
            default=EVENT_COUNT,
            metavar="COUNT",
            help=f"How many events at most, the newest; {EVENT_COUNT} by default.",
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        entity = EntityArgument.parse(options["model"], options["key"])
        named, handler = options["databases"], options["handler"]
        if handler is not None:
            refuse_unknown(handler, find_databases(named if named is None else self.chosen(named)))
        looked: list[str] = []
        self.told: dict[str, str] = {}

        def work(alias: str) -> Result:
            if named is None and not entity.can_be_in(alias):
                raise NotMeant
            looked.append(alias)
            story = read_story(entity, alias, handler=handler, limit=options["limit"])
            if story.is_empty:
                raise NotMeant
            self.told[alias] = "\n".join(story_lines(story))
            return story_as_json(story), ExitCode.WELL

        results = self.results(named, work)
        if not results:
            raise CommandError(_nothing(entity, looked), returncode=ExitCode.UNKNOWN)
        self.finish(results, options["format"])

    def describe(self, row: Row) -> str:
        return self.told[row["database"]]


def _nothing(entity: EntityArgument, looked: list[str]) -> str:
    if entity.model is None:
        return entity.unknown_model
    return (
        f"There is no {entity.model._meta.label} with the key {entity.key!r} in {', '.join(looked) or 'any database'}, "
        f"and no event of one: they are kept for {get_settings().retention_days:g} days. Its key is {entity.key_words}."
    )


def _limit(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= MOST_EVENTS:
        raise ArgumentTypeError(f"{text!r} is no number of events, from 1 to {MOST_EVENTS:,}")
    return count
