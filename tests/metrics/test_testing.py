"""Metrics in a project's own tests."""

import pytest
from django.db import connection, transaction

from django_clean_timestamps.metrics.models import MetricMinute, MetricRollup, MetricWriter
from django_clean_timestamps.metrics.queries.filters import parse_filters
from django_clean_timestamps.metrics.queries.operations import read_operations
from django_clean_timestamps.metrics.queries.processes import read_freshness
from django_clean_timestamps.metrics.queries.rows import read_series
from django_clean_timestamps.testing import flush_metrics, forget_metrics
from django_clean_timestamps.unit_of_work import write_pending
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db(databases="__all__")


def counted():
    series = read_series("default")
    filters = parse_filters({}, now=read_freshness("default").now, series=series.values())
    return {(row.model, row.operation): row.count for row in read_operations("default", filters, series)}


def test_what_a_test_did_can_be_read_at_once():
    forget_metrics()
    Note.objects.create()
    write_pending(connection)
    assert flush_metrics() == 2
    assert counted() == {("testapp.note", "create"): 1, ("", "write_events"): 1}
    assert MetricWriter.objects.count() == 1


def test_each_call_adds_what_came_since():
    forget_metrics()
    Note.objects.create().touch()
    flush_metrics()
    Note.objects.get().touch()
    assert flush_metrics() == 1
    assert counted()["testapp.note", "touch"] == 2


def test_what_was_forgotten_is_not_written():
    Note.objects.create()
    forget_metrics()
    assert flush_metrics() == 0
    assert not MetricMinute.objects.exists()


@pytest.mark.parametrize("number", [1, 2])
def test_a_test_that_is_rolled_back_leaves_nothing_to_the_next(number):
    forget_metrics()
    with transaction.atomic():
        Note.objects.create()
    flush_metrics()
    assert counted()["testapp.note", "create"] == 1
    assert MetricRollup.objects.exists()
