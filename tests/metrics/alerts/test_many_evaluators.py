"""Several processes evaluate at once, as at the end of a lease, and some die."""

import threading
from collections import defaultdict
from contextlib import suppress

import pytest
from django.db import DatabaseError, connections

from django_clean_timestamps.metrics.alerts.evaluation import Evaluator
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.alerts.telling import Telling
from django_clean_timestamps.metrics.models import MetricLease, MetricRollup, MetricSample, MetricSeries, MetricWriter
from tests.metrics.alerts.tables import NOON, Hearing, beat, receiving, roll_up, sample

pytestmark = [pytest.mark.postgres, pytest.mark.mariadb]

TABLES = (AlertState, AlertChange, AlertNotice, MetricLease, MetricRollup, MetricSample, MetricSeries, MetricWriter)
EVALUATORS = 4
SUBJECTS = 12


@pytest.fixture
def committing(django_db_setup, django_db_blocker):
    """Let the test commit, and empty the tables that it writes."""
    with django_db_blocker.unblock():
        _empty()
        yield
        _empty()


def _empty():
    for model in TABLES:
        model.objects.all().delete()


class Unfenced:
    """A lease that everybody has, so that revisions alone keep evaluators apart."""

    closed_before = evaluated_at = 0

    def __init__(self, now):
        self.sampled_at = now

    def note(self, **values):
        pass


class Together(Evaluator):
    """One that writes nothing until all have read what there is, however late a thread comes to run."""

    def __init__(self, *args, barrier, **kwargs):
        super().__init__(*args, **kwargs)
        self.barrier = barrier

    def _judged(self, *args):
        found = list(super()._judged(*args))
        self.barrier.wait(60)
        return iter(found)


class Dying(Telling):
    """One that dies between the change of state and the notice, or just after it, now and then."""

    def __init__(self, *args, deaths, **kwargs):
        super().__init__(*args, **kwargs)
        self.deaths = deaths

    def tell(self, owed):
        if owed and self.deaths and self.deaths.pop():
            raise SystemExit
        super().tell(owed)


def evaluate(evaluator, barrier, now, done):
    barrier.wait(60)
    try:
        with suppress(SystemExit, DatabaseError):
            done.append(evaluator.evaluate(Unfenced(now), now))
    finally:
        connections.close_all()


def in_threads(evaluators, now):
    """Let all evaluate the same moment at once, and return for how many it was theirs."""
    barrier, done = threading.Barrier(len(evaluators)), []
    threads = [threading.Thread(target=evaluate, args=(each, barrier, now, done)) for each in evaluators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return sum(done)


@pytest.mark.parametrize("dies", [False, True])
def test_each_notice_comes_and_each_key_says_one_thing(committing, settings, dies):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"latency": {"for": 1, "keep_firing_seconds": 60, "window_seconds": 60}}}
    evaluators = [Evaluator("default", wait_seconds=60) for _ in range(EVALUATORS)]
    if dies:
        for number, evaluator in enumerate(evaluators):
            deaths = [False, True, number % 2 == 0, True]
            evaluator._telling = Dying("default", wait_seconds=60, deaths=deaths)
    series = [(f"shop.model{number}", "update", "ok", "default") for number in range(SUBJECTS)]
    now = NOON
    with receiving(Hearing()) as hearing:
        for turn in range(16):
            now += 60
            for each in series:
                roll_up(now, each, fast=200 if turn % 8 >= 4 else 0, slow=0 if turn % 8 >= 4 else 100 + turn)
            sample(now)
            beat(now)
            in_threads(evaluators, now)
            # One that is alone afterwards: whoever has died leaves nothing undone.
            now += 15
            sample(now)
            in_threads([Evaluator("default", wait_seconds=60)], now)
    assert AlertState.objects.filter(rule="latency").count() == SUBJECTS
    assert set(AlertState.objects.values_list("episode", flat=True)) == {2}
    said = defaultdict(set)
    for alert in hearing.heard:
        said[alert.key].add(alert)
    assert {len(alerts) for alerts in said.values()} == {1}
    told = {(alert.subject, alert.episode, alert.state) for alert in hearing.heard}
    assert told == {
        (f"{model}/update/default", episode, state)
        for model, *_ in series
        for episode in (1, 2)
        for state in ("firing", "ok")
    }
    changes = AlertChange.objects.values_list("subject", "episode", "version")
    assert len(set(changes)) == len(changes) == SUBJECTS * 4
    assert not AlertNotice.objects.filter(told_at=None).exists()


def test_of_four_that_find_it_at_once_one_makes_the_change(committing, settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"undelivered": {"for": 1}}}
    sample(NOON, waiting=2_000)
    beat(NOON)
    barrier = threading.Barrier(EVALUATORS)
    evaluators = [Together("default", wait_seconds=60, barrier=barrier) for _ in range(EVALUATORS)]
    with receiving(Hearing()) as hearing:
        assert in_threads(evaluators, NOON) == 1
    assert (AlertState.objects.get().episode, AlertState.objects.get().revision) == (1, 1)
    assert AlertChange.objects.count() == 1
    assert set(hearing.keys) == {"undelivered/all/1.1.1/firing"}
