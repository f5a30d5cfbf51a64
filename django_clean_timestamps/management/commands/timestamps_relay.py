"""``manage.py timestamps_relay``."""

from __future__ import annotations

import json
import logging
import math
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.registry import has_handlers
from django_clean_timestamps.management.log_command import ExitCode, LogCommand, Result, Row
from django_clean_timestamps.management.progress import ProgressLine
from django_clean_timestamps.management.relaying import (
    INTERVAL_SECONDS,
    Relayed,
    Watch,
    relay_log,
    stopped_by_signals,
)
from django_clean_timestamps.management.repeats import without_repeats
from django_clean_timestamps.management.words import count_of
from django_clean_timestamps.metrics.models import MetricWriter
from django_clean_timestamps.metrics.recording import FLUSHER, begin_recording

__all__ = ["Command"]

DELIVERY_LOGGER = logging.getLogger("django_clean_timestamps.delivery")


class Command(LogCommand):
    help = (
        "Give positions to the events that are pending, bring them to their handlers until nothing is due, and prune "
        "the log where its oldest event has been due for a day: what Celery's workers do, without Celery. Any number "
        "may run beside each other, and beside workers."
    )
    keys = Relayed._fields

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--once", action="store_true", help="Go on until nothing is due, then end (default).")
        mode.add_argument("--watch", action="store_true", help="Look again and again, until SIGTERM or SIGINT.")
        parser.add_argument(
            "--interval",
            type=_seconds,
            metavar="SECONDS",
            help=f"How long --watch waits at most where nothing is due. {INTERVAL_SECONDS:g} by default; SWEEP_SECONDS "
            "where there is no handler.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        begin_recording(MetricWriter.Kind.RELAY)
        stop = threading.Event()
        with stopped_by_signals(stop):
            if options["watch"]:
                self._watch(options, stop)
            else:
                self._once(options, stop)

    def describe(self, row: Row) -> str:
        rest = [
            f", {row[key]:,} {word}"
            for key, word in (
                ("delivered", "delivered"),
                ("parked", "failed and parked"),
                ("pruned", "old ones deleted"),
            )
            if row[key]
        ]
        return f"{row['database']}: {count_of(row['sequenced'], 'event')} sequenced{''.join(rest)}"

    def _once(self, options: dict[str, Any], stop: threading.Event) -> None:
        line = ProgressLine(self.stderr)
        done: dict[str, Relayed] = {}

        def relay(alias: str) -> Result:
            def show(relayed: Relayed) -> None:
                line.show(self.describe({"database": alias, **relayed._asdict()}))

            done[alias] = _sum(done.get(alias, Relayed()), relay_log(alias, should_stop=stop.is_set, progress=show))
            return done[alias]._asdict(), ExitCode.WELL

        is_done = False
        while not is_done:
            before = _delivered(done)
            results = self.results(options["databases"], relay)
            # A handler of one log may have written to another one, which had its turn already.
            is_done = len(results) == 1 or _delivered(done) == before
        line.clear()
        FLUSHER.flush_now()
        if stop.is_set():
            self.stderr.write("Stopped before everything was done.")
            results = [(row, ExitCode.UNKNOWN) for row, _ in results]
        self.finish(results, options["format"])

    def _watch(self, options: dict[str, Any], stop: threading.Event) -> None:
        aliases = self.chosen(options["databases"])
        interval = options["interval"] or (INTERVAL_SECONDS if has_handlers() else get_settings().sweep_seconds)
        watch = Watch(
            aliases,
            is_meant=(lambda alias: True) if options["databases"] else self.is_meant,
            report=lambda alias, relayed: self._report(options, alias, relayed),
            stop=stop,
        )
        self._say(options, f"Watching {', '.join(aliases)} every {interval:g} seconds; stop with Ctrl-C")
        with without_repeats(DELIVERY_LOGGER):
            watch.run(interval)
        self._say(options, "Stopped")

    def _report(self, options: dict[str, Any], alias: str, relayed: Relayed) -> None:
        row = {"database": alias, **relayed._asdict(), "error": None}
        if options["format"] == "json":
            self.stdout.write(json.dumps(row))
        elif options["verbosity"] > 1:
            self.stdout.write(self.describe(row))
        self.stdout.flush()

    def _say(self, options: dict[str, Any], text: str) -> None:
        if options["format"] == "text" and options["verbosity"]:
            self.stdout.write(text)
            self.stdout.flush()


def _delivered(done: Mapping[str, Relayed]) -> int:
    return sum(relayed.delivered for relayed in done.values())


def _sum(first: Relayed, second: Relayed) -> Relayed:
    return Relayed(*map(sum, zip(first, second, strict=True)))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
