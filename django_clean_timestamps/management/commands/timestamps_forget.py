"""``manage.py timestamps_forget``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django_clean_timestamps.delivery.operations import forget
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.management.handler_command import HandlerCommand
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Command(HandlerCommand):
    help = (
        "Delete the subscription and the parked events of a handler that is gone from the code, so that it keeps no "
        "event from being pruned any more."
    )
    keys = ("shards", "parked")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--force",
            action="store_true",
            help="Also where the handler is in the code: at its next drain it begins anew, at the head.",
        )

    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        return forget(handler, place, force=options["force"])._asdict(), ExitCode.WELL

    def describe_done(self, row: Row) -> str:
        return f"forgotten, {count_of(row['shards'], 'shard')} and {count_of(row['parked'], 'parked event')}"
