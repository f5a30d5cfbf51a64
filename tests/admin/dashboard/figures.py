"""Figures of the last half hour, as processes would have written them and one of them summed up."""

import json
import re
from datetime import UTC, datetime
from html import unescape

from django.db.models import Max
from django.urls import reverse

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.models import (
    MetricExample,
    MetricLease,
    MetricReason,
    MetricSample,
    MetricWriter,
)
from django_clean_timestamps.metrics.rollups import Rollups
from tests.metrics.figures import number_of, write_minute

NOTES = ("testapp.note", "update", "ok", "default")
REFUSED = ("testapp.note", "update", "invalid", "default")
TASKS = ("testapp.task", "create", "ok", "default")
BULK = ("testapp.task", "queryset_update", "ok", "default")
HANDLED = ("", "handler:shop.mail", "ok", "default")
FAILED = ("", "handler:shop.mail", "failed", "default")
WRITTEN = ("", "write_events", "ok", "default")

MARKUP = "<b>bold</b> & co"


def now():
    return int(database_now("default").timestamp())


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def observe(series, seconds, *, ago, rows=None):
    """Write what was seen of a series in the minute so many minutes ago."""
    start = now() - ago * 60
    write_minute(start - start % 60, series, seconds, rows=rows)


JUST_NOW_SECONDS = 60


def roll_up(*, sampled_ago=0, evaluated_ago=0):
    """Sum up what was observed; the housekeeping was so many seconds ago."""
    at = now()
    MetricLease.objects.all().delete()
    Rollups("default").roll_up(take_lease("default", 1), at)
    sampled_at = at - sampled_ago
    newest = MetricSample.objects.filter(tier=0, start__gt=at - JUST_NOW_SECONDS).aggregate(Max("start"))["start__max"]
    if newest is not None and not sampled_ago:
        # A quarter of a minute may have begun since; these samples are the last there are.
        sampled_at = min(at, newest + 14)
    MetricLease.objects.update(owner=0, sampled_at=sampled_at, evaluated_at=at - evaluated_ago)


def sample(*, handler="shop.mail", waiting=3, oldest=1.5, state="active", parked=0, dead=0, ago=0):
    """Write how a handler, or with no name the log, stood."""
    at = now() - ago
    earlier = MetricSample.objects.filter(tier=0, start__gt=at - JUST_NOW_SECONDS, start__lte=at)
    # Those of one test are of one quarter of a minute, also where another one has begun.
    newest = None if ago else earlier.aggregate(Max("start"))["start__max"]
    MetricSample.objects.create(
        tier=0,
        start=at - at % 15 if newest is None else newest,
        kind="subscription" if handler else "log",
        log_alias="default",
        handler=handler,
        database="default" if handler else "",
        state=state if handler else "",
        waiting=waiting,
        oldest_seconds=oldest,
        position=7,
        parked=parked,
        dead=dead,
    )


def reason(text, series=NOTES, count=4):
    hour = now() - now() % 3600
    MetricReason.objects.create(hour=hour, series_id=number_of(series), writer_id=0, reason=text, count=count)


def example(entity_id="1", series=NOTES, *, seconds=0.2, text="", rank=0):
    at = now() - 60
    MetricExample.objects.create(
        hour=at - at % 3600,
        series_id=number_of(series),
        writer_id=0,
        rank=rank,
        seconds=seconds,
        occurred_at=moment(at),
        entity_id=entity_id,
        reason=text,
    )


def process(number=1, *, ago=5, **values):
    given = {"kind": "web", "host": f"host-{number}", "version": "1.2.3", "seen_at": moment(now() - ago)}
    return MetricWriter.objects.create(id=number, **given | values)


def alert(rule="latency", subject="testapp.note/update/default", state="firing", level="warning", **values):
    at = moment(now() - 600)
    given = {"since": at, "episode": 1, "version": 1, "bad_count": 0, "critical_count": 0, "data_version": ""}
    return AlertState.objects.create(
        rule=rule, subject=subject, state=state, level=level, updated_at=at, **given | values
    )


def change(version, state, level, *, ago, rule="latency", subject="testapp.note/update/default", episode=1):
    AlertChange.objects.create(
        rule=rule,
        subject=subject,
        episode=episode,
        version=version,
        state=state,
        level=level,
        changed_at=moment(now() - ago),
    )


def notice(number=1, *, sink="mail", told=True, **values):
    at = moment(now() - 60)
    given = {
        "rule": "undelivered",
        "subject": "all",
        "episode": 1,
        "version": 1,
        "state": "firing",
        "level": "critical",
    }
    return AlertNotice.objects.create(
        sink=sink, key=f"key-{number}", tried_at=at, told_at=at if told else None, attempts=2, **given | values
    )


def url(page="", site="timestamps"):
    name = "clean_timestamps_dashboard" + (f"_{page}" if page else "")
    return reverse(f"{site}:{name}")


def file_url(page, key):
    return reverse(f"timestamps:clean_timestamps_csv_{page}", args=[key])


def text_of(response):
    """Return what a page says, each run of white space as one space."""
    page = re.sub(r"<(script|style|head)\b.*?</\1>", "", response.content.decode(), flags=re.DOTALL)
    page = re.sub(r"</?(a|b|bdi|code|span|strong|time)\b[^>]*>", "", page)
    page = unescape(re.sub(r"<[^>]+>", " ", page))
    return " ".join(page.translate({0xA0: " ", 0x2068: None, 0x2069: None}).split())


def lines_of(response):
    """Return the lines of a file, each a list of cells."""
    import csv

    return list(csv.reader(b"".join(response.streaming_content).decode("utf-8-sig").splitlines()))


def chart_data(response):
    """Return the JSON of each chart of lines by its key."""
    found = re.findall(r'<figure class="timestamp-chart" id="([^"]+)" data-chart="([^"]*)"', response.content.decode())
    return {key: json.loads(unescape(data)) for key, data in found}
