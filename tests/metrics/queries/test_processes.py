"""Processes and how old the data is."""

from datetime import timedelta

import pytest

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.models import MetricLease, MetricWriter
from django_clean_timestamps.metrics.queries.processes import count_living, read_freshness, read_processes

pytestmark = pytest.mark.django_db


def writer(number, age):
    seen_at = database_now("default") - timedelta(seconds=age)
    MetricWriter.objects.create(pk=number, kind="web", host="h", version="1", seen_at=seen_at, started_at=seen_at)


def test_a_process_lives_as_long_as_it_gives_signs():
    writer(1, 200)
    writer(2, 5)
    second, first = read_processes("default")
    assert (second.id, second.is_living, first.id, first.is_living) == (2, True, 1, False)
    assert 200 <= first.age_seconds < 260
    assert count_living("default") == 1


def test_before_the_first_pass_nothing_was_collected():
    freshness = read_freshness("default")
    assert (freshness.age_seconds, freshness.evaluation_age_seconds, freshness.is_silent) == (None, None, False)


@pytest.mark.parametrize(("age", "is_silent"), [(5, False), (500, True)])
def test_data_has_an_age(age, is_silent):
    now = int(database_now("default").timestamp())
    MetricLease.objects.create(pk=1, sampled_at=now - age, evaluated_at=now - age)
    freshness = read_freshness("default")
    assert age <= freshness.age_seconds < age + 60
    assert age <= freshness.evaluation_age_seconds < age + 60
    assert freshness.is_silent == is_silent
