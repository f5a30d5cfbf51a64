"""
The dashboard's overview over thirty days of forty series, beside a short log and a long one.

A superuser asks for the whole page, with the session, the filters and the operations table of one who looks. Figures
are made for every tier as far back as its rows are kept, except for what no range can show.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from benchmarks.database import empty, settle
from benchmarks.filling import set_head
from benchmarks.measuring import Benchmark, Plan, Result, Trial, in_turn, timed
from benchmarks.sized_logs import in_place, logs_of
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import LogHead, Pending
from django_clean_timestamps.metrics.minutes import Counted
from django_clean_timestamps.metrics.models import (
    MetricLease,
    MetricRollup,
    MetricSample,
    MetricSeries,
    MetricWriter,
    Tier,
)
from django_clean_timestamps.metrics.rollups import FIGURES, rollup_of
from django_clean_timestamps.metrics.series import SUMS
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.metrics.store import SeriesIds
from django_clean_timestamps.probes import Series

RANGES = ("1h", "24h", "7d", "30d")
TARGET_MS = 200
SMALLEST = 10_000

DAY = 86_400
SHOWN_SECONDS = {Tier.MINUTE: DAY, Tier.TEN_MINUTES: 7 * DAY, Tier.HOUR: 31 * DAY, Tier.DAY: 31 * DAY}
SAMPLED_SECONDS = {0: DAY // 4, Tier.TEN_MINUTES: 7 * DAY, Tier.HOUR: 31 * DAY, Tier.DAY: 31 * DAY}

MODELS = ("benchmarks.entity", "benchmarks.parent")
OPERATIONS = (
    *("create", "update", "touch", "delete", "bulk_create", "bulk_update"),
    *("queryset_update", "queryset_touch", "queryset_delete"),
)
OUTCOMES = ("ok", "failed")
HANDLERS = ("search.index", "mail.receipt", "billing.invoice")
SERIES: Sequence[Series] = (
    *((model, operation, outcome, "default") for model in MODELS for operation in OPERATIONS for outcome in OUTCOMES),
    *(("", f"handler:{handler}", "ok", "default") for handler in HANDLERS),
    ("", "write_events", "ok", "default"),
)
"""Forty; the sums come besides."""

SKETCHES = 50
"""How many different ones stand behind all rows."""

_measured: dict[str, dict[str, list[float]]] = {}


def benchmarks() -> list[Benchmark]:
    return [_benchmark(name) for name in RANGES]


def _benchmark(name: str) -> Benchmark:
    def measure(plan: Plan) -> Result:
        # The tables take minutes to fill, so the first of the benchmarks measures for all.
        samples = (_measured or _measure_all(plan))[name]
        return Result(
            rows=len(SERIES), unit="ms", samples=samples, subject=list(samples)[-1], baseline=None, target=TARGET_MS
        )

    return Benchmark(group="dashboard", name=f"overview_{name}", measure=measure)


def _measure_all(plan: Plan) -> dict[str, dict[str, list[float]]]:
    sizes = [plan.rows(SMALLEST), plan.rows(plan.largest)]
    client = Client()
    client.force_login(User.objects.create_superuser("reader"))
    make_figures(short=plan.divisor)
    with logs_of(sizes):
        for name in RANGES:
            trials = {f"{size:,}": _trial(client, name, size, plan.clock) for size in sizes}
            seconds = in_turn(trials, rounds=plan.rounds)
            _measured[name] = {side: [value * 1e3 for value in values] for side, values in seconds.items()}
    return _measured


def _trial(client: Client, name: str, size: int, clock: Callable[[], float]) -> Trial:
    url = reverse("admin:clean_timestamps_dashboard")

    def ask() -> None:
        response = client.get(url, {"range": name})
        if response.status_code != 200 or b"section-latency" not in response.content:
            raise RuntimeError(f"The overview has no charts ({response.status_code})")

    def trial() -> float:
        with in_place(size):
            set_head(size)
            settle(LogHead, Pending)
            _keep_alive()
            # Once for what the renamed table has made the database forget.
            ask()
            return timed(ask, clock)

    return trial


def make_figures(*, short: int = 1) -> None:
    """
    Fill the metrics' tables up to now.

    Args:
        short: By which the time that is filled is divided.
    """
    empty(MetricRollup, MetricSample, MetricWriter, MetricLease, MetricSeries, Subscription)
    now = _now()
    numbers = SeriesIds("default").of([*SERIES, *SUMS]).values()
    chance = random.Random(6)
    rollups = _rollups(list(numbers), chance, now, short)
    MetricRollup.objects.bulk_create(rollups, batch_size=2_000)
    MetricSample.objects.bulk_create(_samples(chance, now, short), batch_size=2_000)
    Subscription.objects.bulk_create(
        Subscription(handler=handler, log_alias="default", cursor=0) for handler in HANDLERS
    )
    MetricWriter.objects.create(id=1, kind="web", host="web-1", version="1")
    settle(MetricRollup, MetricSample, MetricSeries)


def _rollups(numbers: Sequence[int], chance: random.Random, now: int, short: int) -> Iterator[MetricRollup]:
    made = [_columns_of(_sketch(chance)) for _ in range(SKETCHES)]
    for tier, seconds in SHOWN_SECONDS.items():
        for start in _starts(now, tier, seconds // short):
            for number in numbers:
                yield MetricRollup(tier=tier, start=start, series_id=number, **chance.choice(made))


def _samples(chance: random.Random, now: int, short: int) -> Iterator[MetricSample]:
    for tier, seconds in SAMPLED_SECONDS.items():
        for start in _starts(now, tier or 15, seconds // short):
            for handler in ("", *HANDLERS):
                waiting = chance.randrange(100)
                yield MetricSample(
                    tier=tier,
                    start=start,
                    kind="subscription" if handler else "log",
                    log_alias="default",
                    handler=handler,
                    database="default" if handler else "",
                    state="active" if handler else "",
                    waiting=waiting,
                    oldest_seconds=waiting * 0.07,
                    position=0,
                )


def _starts(now: int, step: int, seconds: int) -> range:
    first = now - seconds
    return range(first - first % step, now, step)


def _sketch(chance: random.Random) -> Sketch:
    sketch = Sketch(warning=0.005, critical=0.010)
    for _ in range(200):
        sketch.add(chance.lognormvariate(math.log(0.0015), 0.6))
    return sketch


def _columns_of(sketch: Sketch) -> dict[str, Any]:
    made = rollup_of(Tier.DAY, 0, 0, Counted(sketch, sketch.count))
    return {name: getattr(made, name) for name in FIGURES}


def _keep_alive() -> None:
    """Let the figures be as of now, so that no page says that nobody collects."""
    now = _now()
    MetricLease.objects.update_or_create(defaults={"sampled_at": now, "evaluated_at": now, "closed_before": 0})
    MetricWriter.objects.update(seen_at=database_now("default"))


def _now() -> int:
    return int(database_now("default").timestamp())
