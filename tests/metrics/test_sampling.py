"""How logs and subscriptions stood, taken down every quarter of a minute."""

import sqlite3

import pytest
from django.db import OperationalError

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.status import LogStatus
from django_clean_timestamps.metrics import sampling as module
from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.models import MetricLease, MetricSample, Tier
from django_clean_timestamps.metrics.sampling import Sampler, take_samples
from django_clean_timestamps.testing import drain_all
from tests.metrics.figures import MIDNIGHT
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db(databases="__all__")


def notes(count):
    Note.objects.bulk_create([Note() for _ in range(count)])


def sampled(kind, **names):
    (sample,) = [
        each
        for each in take_samples(MIDNIGHT)
        if each.kind == kind and each.log_alias == "default" and all(getattr(each, k) == v for k, v in names.items())
    ]
    return sample


def subscription(**values):
    Subscription.objects.filter(handler="tests.mail").update(**values)


@pytest.fixture
def mail():
    @on_timestamp(name="tests.mail")
    def mail(event):
        pass

    drain_all()


def test_a_log_has_what_waits_its_age_and_its_head():
    notes(3)
    log = sampled("log")
    assert (log.waiting, log.position, log.handler, log.tier, log.start) == (3, 0, "", 0, MIDNIGHT)
    assert log.oldest_seconds >= 0
    drain_all()
    log = sampled("log")
    assert (log.waiting, log.position, log.oldest_seconds) == (0, 3, None)


def test_every_log_is_sampled():
    assert {each.log_alias for each in take_samples(MIDNIGHT)} == {"default", "other"}


def test_a_subscription_waits_for_what_is_pending_too(mail):
    notes(2)
    drain_all()
    subscription(cursor=1)
    notes(3)
    sample = sampled("subscription")
    assert (sample.handler, sample.database, sample.state) == ("tests.mail", "default", "active")
    assert (sample.waiting, sample.position, sample.parked, sample.dead) == (4, 1, 0, 0)
    assert sample.oldest_seconds >= 0


def test_of_shards_the_one_furthest_behind_counts():
    @on_timestamp(name="tests.mail", shards=2)
    def mail(event):
        pass

    drain_all()
    notes(4)
    drain_all()
    Subscription.objects.filter(slot_from=128).update(cursor=1)
    assert (sampled("subscription").waiting, sampled("subscription").position) == (3, 1)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "active"),
        ({"state": "backing_off"}, "backing_off"),
        ({"state": "backing_off", "replay_until": 5}, "replaying"),
        ({"state": "paused", "replay_until": 5}, "paused"),
        ({"state": "paused", "handler": "tests.gone"}, "orphan"),
    ],
)
def test_what_explains_a_lag_wins(mail, values, state):
    subscription(**values)
    assert sampled("subscription").state == state


def test_parked_and_dead_events_are_counted():
    @on_timestamp(name="tests.mail", max_attempts=1)
    def mail(event):
        raise RuntimeError("no")

    drain_all()
    notes(2)
    drain_all()
    assert (sampled("subscription").parked, sampled("subscription").dead) == (0, 2)
    ParkedEvent.objects.filter(position=1).update(state="retry")
    assert (sampled("subscription").parked, sampled("subscription").dead) == (1, 1)


def test_a_log_that_cannot_be_reached_leaves_the_others(monkeypatch, caplog):
    read = module.read_status

    def fail(using):
        if using == "default":
            raise OperationalError("gone")
        return read(using)

    monkeypatch.setattr(module, "read_status", fail)
    assert {each.log_alias for each in take_samples(MIDNIGHT)} == {"other"}
    assert "The log of 'default' could not be sampled: OperationalError: gone" in caplog.text


def test_a_sqlite_that_is_written_by_somebody_else_is_no_news_where_nobody_waits_for_it(monkeypatch, caplog):
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY

    def fail(using):
        raise OperationalError("database is locked") from cause

    monkeypatch.setattr(module, "read_status", fail)
    lease = take_lease("default", 1)
    with pytest.raises(OperationalError, match="database is locked"):
        Sampler("default").sample(lease, MIDNIGHT)
    # So it is due again at once.
    assert lease.sampled_at < MIDNIGHT
    assert "'default'" not in caplog.text
    caplog.clear()
    assert take_samples(MIDNIGHT, unwaited="elsewhere") == []
    assert len(caplog.records) == 2


def test_a_log_whose_tables_are_missing_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "read_status", lambda using: LogStatus(using=using, missing_tables=("a",)))
    assert take_samples(MIDNIGHT) == []


class TestKeeping:
    def rows(self, tier):
        rows = MetricSample.objects.filter(tier=tier, kind="log", log_alias="default").order_by("start")
        return list(rows.values_list("start", "waiting", "position"))

    def test_samples_are_a_quarter_of_a_minute_apart(self):
        lease = take_lease("default", 1)
        for second in (0, 3, 14, 15, 29, 31):
            Sampler("default").sample(lease, MIDNIGHT + second)
        assert [start - MIDNIGHT for start, *_ in self.rows(0)] == [0, 15, 30]
        assert MetricLease.objects.get().sampled_at == MIDNIGHT + 30

    def test_longer_times_tell_of_the_worst(self):
        lease, sampler = take_lease("default", 1), Sampler("default")
        sampler.sample(lease, MIDNIGHT)
        notes(3)
        sampler.sample(lease, MIDNIGHT + 15)
        drain_all()
        sampler.sample(lease, MIDNIGHT + 600)
        assert self.rows(Tier.TEN_MINUTES) == [(MIDNIGHT, 3, 0), (MIDNIGHT + 600, 0, 3)]
        assert self.rows(Tier.HOUR) == self.rows(Tier.DAY) == [(MIDNIGHT, 3, 3)]
