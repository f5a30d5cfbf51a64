"""``manage.py timestamps_reshard``."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django_clean_timestamps.delivery.operations import reshard
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.management.handler_command import HandlerCommand
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.progress import ProgressLine
from django_clean_timestamps.management.relaying import stopped_by_signals
from django_clean_timestamps.management.resharding import is_divided, wait_until_divided
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Command(HandlerCommand):
    help = (
        "Divide a handler's subscription into another number of shards, so that as many workers may run it at once. "
        "The old shards go on to where the head is now, then the new ones take over; drains the log until they have."
    )
    keys = ("shards", "is_complete", "waits_for")
    makes_due = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("shards", type=int, metavar="N", help="How many shards, from 1 to 256.")
        parser.add_argument(
            "--no-wait", action="store_true", help="Leave it to the workers, or to the next timestamps_relay."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        with stopped_by_signals(stop):
            super().handle(*args, **options, stop=stop)

    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        count = options["shards"]
        if is_divided(handler, place, count):
            return {"shards": count, "is_complete": True, "waits_for": None}, ExitCode.WELL
        reshard(handler, place, count)
        if options["no_wait"]:
            return {"shards": count, "is_complete": False, "waits_for": "the next drain"}, ExitCode.WELL
        line = ProgressLine(self.stderr)
        waits_for = wait_until_divided(
            handler,
            place,
            stop=options["stop"],
            progress=lambda left: line.show(
                f"{place.log_alias}: {handler}: {left:,} positions before the new shards …"
            ),
        )
        line.clear()
        code = ExitCode.WELL if waits_for is None else ExitCode.WRONG
        return {"shards": count, "is_complete": waits_for is None, "waits_for": waits_for}, code

    def describe_done(self, row: Row) -> str:
        shards = count_of(row["shards"], "shard")
        if row["is_complete"]:
            return f"has {shards}"
        return f"will have {shards}, and waits for {row['waits_for']}"
