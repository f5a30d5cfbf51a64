"""
Thirty days of made figures for the site that the browser looks at; a program, run with that site's settings.

``make`` fills a new database and ``new`` leaves it as it is before anything was collected; both print the session of
each user. ``minute`` adds a minute in which everything took 0.25 s, ``age`` lets nobody have collected for a while, and
``keep`` lets the figures be as of now.
"""

import json
import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

LAST_HOURS = 6
SLOW_MINUTES = 42
SLOW_SECONDS = 0.25

SINGLE_ROW = {
    # Operations a minute, and milliseconds that most of them took.
    ("shop.order", "create", "ok"): (40, 1.5),
    ("shop.order", "update", "ok"): (120, 1.1),
    ("shop.order", "touch", "ok"): (60, 0.6),
    ("shop.order", "delete", "ok"): (4, 1.9),
    ("shop.customer", "create", "ok"): (12, 1.3),
    ("shop.customer", "update", "ok"): (30, 0.9),
    ("shop.order", "update", "invalid"): (0.15, 0.2),
}
OTHERS = {
    ("shop.order", "queryset_update", "ok"): (3, 9.0),
    ("", "write_events", "ok"): (260, 0.3),
    ("", "handler:search.index", "ok"): (250, 2.4),
    ("", "handler:billing.invoice", "ok"): (220, 3.5),
    ("", "handler:mail.receipt", "ok"): (220, 7.0),
    ("", "handler:mail.receipt", "failed"): (0.6, 30.0),
}
OPERATIONS = {**SINGLE_ROW, **OTHERS}
ROWS_EACH = {"queryset_update": 40}

CROWD = [
    (f"warehouse.{model}", operation)
    for model in (
        *("article", "shelf", "parcel", "pallet", "invoice"),
        *("supplier", "shipment", "reservation", "stocktaking", "returns"),
    )
    for operation in ("create", "update", "touch", "delete")
]
"""Series that were busy in some days of their own, so that the other days stay as they are."""
CROWD_DAYS_AGO = 60
CROWD_DAYS = 5
SILENT_MINUTES = 20

HANDLERS = ("search.index", "billing.invoice", "mail.receipt")
DRAWN_AT_MOST = 32
"""Of a longer time no more observations are drawn: they are taken several times."""


def main() -> None:
    import django

    from django_clean_timestamps import probes

    django.setup()
    # What this program does itself is no figure.
    probes.connect(None)
    {"make": make, "new": make_new, "minute": add_minute, "age": age, "keep": keep}[sys.argv[1]]()


def make_new() -> None:
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    print(json.dumps(make_sessions()))  # noqa: T201 - what it is asked for


def make() -> None:
    from django.core.management import call_command
    from django.db import transaction

    call_command("migrate", run_syncdb=True, verbosity=0)
    make_events()
    now = _now()
    with transaction.atomic():
        make_rollups(now)
        make_crowd(now)
        make_samples(now)
        make_alerts(now)
        make_details(now)
        make_processes(now)
    keep()
    print(json.dumps(make_sessions()))  # noqa: T201 - what it is asked for


# Who looks.


def make_sessions() -> dict[str, str]:
    """Return the key of a session of each user: of all rights, of the dashboard's alone, and of none."""
    from django.contrib.auth.models import Permission, User

    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_metrics"))
    users = [User.objects.create_superuser("ada", first_name="Ada"), viewer, User.objects.create_user("nobody")]
    User.objects.filter(username="nobody").update(is_staff=True)
    return {user.username: _session_of(user) for user in users}


def _session_of(user) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


# What happened.


def make_events() -> None:
    """Let real orders be written and delivered, so that some are parked and some are dead."""
    from django_clean_timestamps.context import timestamp_context
    from django_clean_timestamps.delivery.drain import drain
    from tests.browser.shop.models import Customer, Order

    drain("default")
    with timestamp_context(actor="ada"):
        customer = Customer.objects.create(name="Grace")
        for number in range(1, 13):
            Order.objects.create(customer=customer, number=number)
        for order in Order.objects.all()[:6]:
            order.touch("shipped")
    drain("default")


def make_rollups(now: int) -> None:
    from django_clean_timestamps.metrics.models import MetricRollup, Tier
    from django_clean_timestamps.metrics.series import SUMS
    from django_clean_timestamps.metrics.store import SeriesIds

    ids = SeriesIds("default").of([*((*names, "default") for names in OPERATIONS), *SUMS])
    reaches = {Tier.MINUTE: LAST_HOURS, Tier.TEN_MINUTES: 25, Tier.HOUR: 30 * 24 + 1, Tier.DAY: 31 * 24}
    chance = random.Random(6)
    rows = []
    for tier, hours in reaches.items():
        first = now - hours * 3_600
        for start in range(first - first % tier, now - now % tier, tier):
            for series, sketch in _period(chance, start, tier, now):
                rows.append(_rollup(tier, start, ids[series], sketch, series[1]))
    MetricRollup.objects.bulk_create(rows, batch_size=2_000)


def make_crowd(now: int) -> None:
    from django_clean_timestamps.metrics.models import MetricRollup, Tier
    from django_clean_timestamps.metrics.series import ALL, ALL_ROWS
    from django_clean_timestamps.metrics.sketch import Sketch
    from django_clean_timestamps.metrics.store import SeriesIds

    names = [(model, operation, "ok", "default") for model, operation in CROWD]
    ids = SeriesIds("default").of([*names, (ALL, ALL_ROWS, "ok", "")])
    chance = random.Random(9)
    sketches = {}
    for name in names:
        sketches[name] = sketch = Sketch(warning=0.005, critical=0.010)
        milliseconds = chance.uniform(0.4, 4)
        for _ in range(DRAWN_AT_MOST):
            sketch.add(chance.lognormvariate(math.log(milliseconds / 1_000), 0.45), chance.randrange(1, 200))
    sketches[(ALL, ALL_ROWS, "ok", "")] = Sketch.merged(list(sketches.values()))
    first = now - CROWD_DAYS_AGO * 86_400
    first -= first % Tier.HOUR
    MetricRollup.objects.bulk_create(
        [
            _rollup(Tier.HOUR, start, ids[name], sketch, name[1])
            for start in range(first, first + CROWD_DAYS * 86_400, Tier.HOUR)
            for name, sketch in sketches.items()
        ],
        batch_size=2_000,
    )


def _period(chance: random.Random, start: int, tier: int, now: int) -> Iterator[tuple[tuple[str, ...], object]]:
    """Return a sketch for each series of a time, and for the sums."""
    from django_clean_timestamps.metrics.series import ALL, sum_of
    from django_clean_timestamps.metrics.sketch import Sketch

    ago = now - start
    if _is_gap(ago, tier):
        return
    sums = {}
    for (model, operation, outcome), (a_minute, milliseconds) in OPERATIONS.items():
        slower = 1.0 if operation == "write_events" else _slower(ago)
        wanted = a_minute * tier / 60 * _busy(start) * chance.uniform(0.85, 1.15)
        count = int(wanted) + (chance.random() < wanted % 1)
        if outcome == "invalid" and ago in range(4_000, 6_500):
            count += round(tier / 60 * chance.uniform(2, 5))
        if not count:
            continue
        sketch = Sketch(warning=0.005, critical=0.010)
        drawn = min(count, DRAWN_AT_MOST)
        for place in range(drawn):
            seconds = chance.lognormvariate(math.log(milliseconds / 1_000 * slower), 0.45)
            sketch.add(seconds, count // drawn + (place < count % drawn))
        yield (model, operation, outcome, "default"), sketch
        if summed := sum_of(operation):
            sums.setdefault((ALL, summed, outcome, ""), []).append(sketch)
    for series, parts in sums.items():
        yield series, Sketch.merged(parts)


def _busy(start: int) -> float:
    """More is done by day."""
    return 0.65 + 0.35 * math.sin((start % 86_400) / 86_400 * math.tau - math.pi / 2)


def _slower(ago: int) -> float:
    """A worse while up to now, and another one some hours before."""
    if ago < SLOW_MINUTES * 60:
        return 2.8
    return 1.0 + 1.6 * math.exp(-(((ago - 9 * 3_600) / 4_000) ** 2))


def _is_gap(ago: int, tier: int) -> bool:
    """For some minutes, and on another day for some hours, nobody collected."""
    return (tier == 60 and 33 * 60 <= ago < 40 * 60) or (tier == 600 and 15 * 3_600 <= ago < 16 * 3_600)


def _rollup(tier: int, start: int, series: int, sketch, operation: str):
    from django_clean_timestamps.metrics.minutes import Counted
    from django_clean_timestamps.metrics.rollups import rollup_of

    return rollup_of(tier, start, series, Counted(sketch, sketch.count * ROWS_EACH.get(operation, 1)))


def make_samples(now: int) -> None:
    from django_clean_timestamps.metrics.models import MetricSample

    chance = random.Random(7)
    rows = []
    for tier, step, hours in ((0, 60, LAST_HOURS), (600, 600, 25), (3_600, 3_600, 721), (86_400, 86_400, 31 * 24)):
        first = now - hours * 3_600
        for start in range(first - first % step, now - now % step, step):
            if _is_gap(now - start, step):
                continue
            high = 1_300 * math.exp(-(((now - start - 1_160 * 60) / 2_400) ** 2))
            for handler in ("", *HANDLERS):
                waiting = round(chance.uniform(0, 14) + (high if handler == HANDLERS[-1] else 0))
                rows.append(_sample(start, handler, waiting, waiting * 0.07 + 0.3, tier=tier))
    MetricSample.objects.bulk_create(rows)


def _sample(start: int, handler: str, waiting: int, oldest: float, *, tier: int = 0):
    from django_clean_timestamps.metrics.models import MetricSample

    return MetricSample(
        tier=tier,
        start=start,
        kind="subscription" if handler else "log",
        log_alias="default",
        handler=handler,
        database="default" if handler else "",
        state="active" if handler else "",
        waiting=waiting,
        oldest_seconds=oldest,
        position=0,
        parked=0,
        dead=0,
    )


def make_alerts(now: int) -> None:
    from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState

    # Rule, subject, level at its worst, how many minutes ago it began and ended (None where it fires still), the latest
    # figure and its limit.
    found = [
        ("latency", "shop.order/update/default", "warning", SLOW_MINUTES - 4, None, 12.6, 5),
        ("latency", "shop.order/create/default", "critical", 590, 488, 1.2, 5),
        ("validation_errors", "shop.order", "critical", 106, 66, 0.08, 0.5),
        ("undelivered", "all", "warning", 1_185, 1_130, 0, 1_000),
        ("dead_events", "all", "warning", 1_330, None, 4, 0),
    ]
    for rule, subject, level, began, ended, value, threshold in found:
        is_open = ended is None
        values = {"rule": rule, "subject": subject, "episode": 1}
        AlertState.objects.create(
            **values,
            state="firing" if is_open else "ok",
            level=level if is_open else "ok",
            version=1 if is_open else 2,
            since=_ago(now, began if is_open else ended),
            changed_at=_ago(now, began if is_open else ended),
            updated_at=_ago(now, 0),
            evaluated_at=_ago(now, 0),
            bad_count=0,
            critical_count=0,
            data_version="",
            value=value,
            threshold=threshold,
            slow_ms=5 if rule == "latency" else None,
            window_seconds=300 if rule in ("latency", "validation_errors") else 0,
            silenced_until=_ago(now, -240) if rule == "dead_events" else None,
            silenced_by="ada" if rule == "dead_events" else "",
        )
        steps = [(1, "firing", level, began), *([] if is_open else [(2, "ok", "ok", ended)])]
        for version, state, at_level, minutes in steps:
            told = {**values, "version": version, "state": state, "level": at_level}
            AlertChange.objects.create(**told, changed_at=_ago(now, minutes))
            for sink in ("log", "mail"):
                AlertNotice.objects.create(
                    **told,
                    sink=sink,
                    key=f"{rule}/{subject}/1/{state}",
                    tried_at=_ago(now, minutes),
                    told_at=_ago(now, minutes),
                    attempts=1,
                    recipients="ops@example.org" if sink == "mail" else "",
                )


def make_details(now: int) -> None:
    """Reasons of each of the last hours, and the slowest examples."""
    from django_clean_timestamps.metrics.models import MetricExample, MetricReason
    from django_clean_timestamps.metrics.store import SeriesIds

    update = ("shop.order", "update", "ok", "default")
    number = SeriesIds("default").of([update])[update]
    chance = random.Random(8)
    reasons = {"shipped": 900, "paid": 640, "address corrected": 120, "<b>stock</b> taken & counted": 45}
    for hour in range(now - now % 3_600 - 23 * 3_600, now, 3_600):
        for text, count in reasons.items():
            MetricReason.objects.create(
                hour=hour, series_id=number, writer_id=0, reason=text, count=round(count * chance.uniform(0.5, 1.5))
            )
    for rank in range(8):
        at = now - 60 * (16 + rank)
        MetricExample.objects.create(
            hour=at - at % 3_600,
            series_id=number,
            writer_id=0,
            rank=rank,
            seconds=0.09 - rank * 0.008,
            occurred_at=_ago(now, 16 + rank),
            entity_id=str(rank + 1),
            reason="shipped" if rank % 2 else "",
        )


def make_processes(now: int) -> None:
    from django_clean_timestamps.metrics.models import MetricWriter

    found = [
        ("web", "web-1.example.org", 0.002, 0, 5),
        ("web", "web-2.example.org", -0.004, 0, 9),
        ("worker", "worker-1.example.org", 0.01, 0, 21),
        ("worker", "worker-2.example.org", 2.4, 3, 33),
        ("relay", "relay.example.org", 0.0, 0, 2),
        ("web", "web-0.example.org", 0.0, 0, 5_000),
    ]
    for number, (kind, host, skew, dropped, seen) in enumerate(found, 1):
        MetricWriter.objects.create(
            id=number,
            kind=kind,
            host=host,
            version="0.1.0",
            started_at=_ago(now, 3_000 + number),
            seen_at=_ago(now, seen / 60),
            skew_seconds=skew,
            dropped=dropped,
        )


# What happens while it is looked at.


def keep() -> None:
    """Let the figures be as of now: samples, the processes' signs of life, and when alerts were evaluated."""
    from django.db import transaction

    from django_clean_timestamps.metrics.models import MetricLease, MetricSample, MetricWriter
    from django_clean_timestamps.metrics.sampling import take_samples

    at = _now()
    start = at - at % 15
    with transaction.atomic():
        if not MetricSample.objects.filter(tier=0, start=start).exists():
            MetricSample.objects.bulk_create(take_samples(start))
        MetricLease.objects.update_or_create(defaults={"sampled_at": start, "evaluated_at": at, "closed_before": 0})
        recent = _ago(at, 60)
        MetricWriter.objects.filter(seen_at__gte=recent).update(seen_at=_ago(at, 0.2))


def age() -> None:
    """Let nobody have collected for some minutes."""
    from django_clean_timestamps.metrics.models import MetricLease, MetricWriter

    at = _now() - SILENT_MINUTES * 60
    MetricLease.objects.update(sampled_at=at, evaluated_at=at)
    MetricWriter.objects.filter(seen_at__gte=_ago(at, 0)).update(seen_at=_ago(at, 0))


def add_minute() -> None:
    """Add what a process saw in a minute, and sum it up as whoever holds the lease does."""
    from django_clean_timestamps.metrics.lease import take_lease
    from django_clean_timestamps.metrics.models import MetricMinute
    from django_clean_timestamps.metrics.rollups import Rollups
    from django_clean_timestamps.metrics.sketch import Sketch
    from django_clean_timestamps.metrics.store import SeriesIds

    at = _now()
    series = ("shop.order", "update", "ok", "default")
    sketch = Sketch(warning=0.005, critical=0.010)
    sketch.add(SLOW_SECONDS, 50)
    MetricMinute.objects.update_or_create(
        start=at - at % 60,
        writer_id=1,
        series_id=SeriesIds("default").of([series])[series],
        defaults={"row_count": 50, "sketch": sketch.to_bytes()},
    )
    lease = take_lease("default", 1)
    assert lease is not None
    Rollups("default").roll_up(lease, at)
    lease.note(sampled_at=lease.sampled_at + 1, evaluated_at=at)


def _now() -> int:
    from django_clean_timestamps.eventlog.fields import database_now

    return int(database_now("default").timestamp())


def _ago(now: int, minutes: float) -> datetime:
    return datetime.fromtimestamp(now, UTC) - timedelta(minutes=minutes)


if __name__ == "__main__":
    main()
