"""Observations of which everything is known, counted and summed up as processes would have done it."""

import random
from collections import defaultdict
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.test import override_settings

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.models import MetricLease, MetricSample, MetricWriter
from django_clean_timestamps.metrics.rollups import CLOSED_SECONDS, Rollups
from tests.metrics.figures import HANDLER, INVALID, MIDNIGHT, SAVE, write_minute

ODD = ('shop."order"', "update\\all", "failed", "other")
EVERY = (SAVE, INVALID, HANDLER, ODD)


class Observations:
    """Raw observations by series, and the rows that they wrote."""

    def __init__(self):
        self.seconds = defaultdict(list)
        self.rows = defaultdict(int)

    def write(self, start, series, seconds, *, writer=1, rows=None):
        write_minute(start, series, seconds, writer=writer, rows=rows)
        self.seconds[series] += seconds
        self.rows[series] += len(seconds) if rows is None else rows


def roll_up(now, *, owner=1):
    Rollups("default").roll_up(take_lease("default", owner), now)


def observe_at_random(seed=1):
    """Write three minutes of two processes and four series, close them, and return what they were made of."""
    chance = random.Random(seed)
    observed = Observations()
    for minute in range(3):
        for writer in (1, 2):
            for series in EVERY:
                seconds = [chance.lognormvariate(-6, 3) for _ in range(chance.randrange(1, 60))]
                observed.write(MIDNIGHT + 60 * minute, series, seconds, writer=writer, rows=chance.randrange(1, 500))
    # A minute that is still open is in no total.
    write_minute(MIDNIGHT + 180, SAVE, [0.001] * 5)
    roll_up(MIDNIGHT + 180 + CLOSED_SECONDS)
    return observed


def sample(start, **values):
    """Write a sample and say that the last ones were taken then."""
    MetricSample.objects.create(
        **{"start": start, "kind": "subscription", "log_alias": "default", "waiting": 0, "position": 0, **values}
    )
    MetricLease.objects.update_or_create(pk=1, defaults={"sampled_at": start})


def alert(**values):
    """Write how an alert stands."""
    at = database_now("default")
    given = {
        "rule": "latency",
        "subject": "",
        "state": "ok",
        "level": "ok",
        "since": at,
        "updated_at": at,
        "episode": 1,
        "version": 1,
        "bad_count": 0,
        "critical_count": 0,
        "data_version": "1",
        "silenced_by": "secret actor",
    }
    return AlertState.objects.create(**{**given, **values})


def living(number, kind, **values):
    MetricWriter.objects.create(id=number, kind=kind, host="a", version="1", **values)


@contextmanager
def metrics_out_of_reach(**clean_timestamps):
    """Keep the metrics in a database that cannot be opened."""
    # Of the names that no settings have, the only one that Django's TestCase lets be opened.
    alias = NO_DB_ALIAS
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/nowhere/at/all/metrics.sqlite3"}
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: settings})[alias]
    try:
        with override_settings(CLEAN_TIMESTAMPS={"METRICS_DATABASE": alias, **clean_timestamps}):
            yield
    finally:
        connections[alias].close()
        del connections[alias], connections.settings[alias]
