"""Whoever has the lease does what is due, and nobody else does."""

import pytest

from django_clean_timestamps.metrics import keeping as module
from django_clean_timestamps.metrics.keeping import Keeper
from django_clean_timestamps.metrics.lease import LeaseLost
from django_clean_timestamps.metrics.models import MetricLease, MetricSample
from django_clean_timestamps.metrics.rollups import Rollups

pytestmark = pytest.mark.django_db(databases="__all__")


def test_one_of_two_processes_keeps_house():
    assert Keeper(1, "default").keep()
    assert not Keeper(2, "default").keep()
    assert Keeper(1, "default").keep()
    lease = MetricLease.objects.get()
    assert lease.owner == 1
    assert min(lease.closed_before, lease.sampled_at, lease.pruned_at) > 1_700_000_000
    assert MetricSample.objects.exists()


def test_one_that_was_overtaken_stops(monkeypatch):
    def overtaken(*args):
        raise LeaseLost

    monkeypatch.setattr(Rollups, "roll_up", overtaken)
    assert not Keeper(1, "default").keep()
    assert not MetricSample.objects.exists()
    assert module.Keeper
