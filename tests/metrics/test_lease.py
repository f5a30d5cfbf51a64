"""One process at a time keeps house."""

from datetime import timedelta

import pytest

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics import lease as module
from django_clean_timestamps.metrics.lease import LeaseLost, take_lease
from django_clean_timestamps.metrics.models import MetricLease

pytestmark = pytest.mark.django_db


def let_run_out():
    """Let the lease have ended a second ago."""
    MetricLease.objects.update(lease_until=database_now("default") - timedelta(seconds=1))


def test_the_first_to_ask_has_it_and_keeps_it():
    lease = take_lease("default", 1)
    assert take_lease("default", 2) is None
    assert take_lease("default", 1).epoch == lease.epoch


def test_one_that_ran_out_is_anybodys():
    first = take_lease("default", 1)
    let_run_out()
    second = take_lease("default", 2)
    assert second.epoch == first.epoch + 1
    assert take_lease("default", 1) is None
    second.note(sampled_at=5)
    with pytest.raises(LeaseLost):
        first.note(sampled_at=7)
    assert MetricLease.objects.get().sampled_at == 5


def test_what_was_noted_is_there_for_the_next():
    take_lease("default", 1).note(sampled_at=5, pruned_at=6)
    lease = take_lease("default", 1)
    assert (lease.sampled_at, lease.pruned_at, lease.evaluated_at, lease.closed_before) == (5, 6, 0, 0)


def test_to_note_nothing_still_asks_whose_it_is():
    lease = take_lease("default", 1)
    lease.note()
    MetricLease.objects.update(epoch=99)
    with pytest.raises(LeaseLost):
        lease.note()


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_each_statement_has_one_of_its_own():
    lease = take_lease("default", 1)
    lease.note(sampled_at=5)
    assert MetricLease.objects.get().sampled_at == 5


def test_another_one_may_be_quicker_where_the_row_is_gone(monkeypatch):
    MetricLease.objects.all().delete()
    monkeypatch.setattr(module, "_take", lambda using, owner: False)
    assert take_lease("default", 1) is None


def test_the_row_is_made_again_where_it_is_gone():
    take_lease("default", 1)
    MetricLease.objects.all().delete()
    assert take_lease("default", 2) is not None
