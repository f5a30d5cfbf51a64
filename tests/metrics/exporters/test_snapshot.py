"""All that is exported is read at once, and whoever asked for it never pays for a fault."""

import logging
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.exporters.snapshot import borrowed, read_snapshot, read_snapshot_or_log
from django_clean_timestamps.metrics.models import MetricTotal
from tests.metrics.exporters.observed import alert, living, metrics_out_of_reach, observe_at_random, sample
from tests.metrics.figures import MIDNIGHT
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db


def test_it_costs_eight_statements(django_assert_num_queries):
    observe_at_random()
    living(1, "web")
    alert()
    sample(MIDNIGHT, handler="shop.mail", database="default", waiting=7)
    with django_assert_num_queries(8):
        snapshot = read_snapshot("default")
    assert len(snapshot.totals.series) == 4
    assert [each.rule for each in snapshot.alerts] == ["latency"]
    assert [each.waiting for each in snapshot.standings] == [7]


def test_processes_that_live_are_counted_by_kind():
    living(1, "web", skew_seconds=0.5)
    living(2, "web", skew_seconds=-2.5)
    living(3, "relay")
    living(4, "worker", skew_seconds=60, seen_at=database_now("default") - timedelta(hours=1))
    snapshot = read_snapshot("default")
    assert snapshot.living == {"web": 2, "worker": 0, "relay": 1, "command": 0}
    assert snapshot.skew_seconds == 2.5


def test_before_anything_was_recorded_it_is_empty():
    snapshot = read_snapshot("default")
    assert (snapshot.totals.series, list(snapshot.standings), snapshot.skew_seconds) == ((), [], 0)
    assert snapshot.freshness.age_seconds is None


def test_a_database_out_of_reach_is_logged_and_not_raised(caplog):
    with metrics_out_of_reach(), caplog.at_level(logging.WARNING):
        assert read_snapshot_or_log() is None
    assert "Metrics cannot be exported now: OperationalError" in caplog.text


def test_settings_that_name_no_database_are_logged_and_not_raised(caplog, settings):
    settings.CLEAN_TIMESTAMPS = {"METRICS_DATABASE": "gone"}
    assert read_snapshot_or_log() is None
    assert "gone" in caplog.text


def test_a_sketch_of_a_newer_release_is_logged_and_not_raised(caplog):
    observe_at_random()
    MetricTotal.objects.update(sketch=b"\xff newer")
    assert read_snapshot_or_log() is None
    assert "Metrics cannot be exported now" in caplog.text


def test_a_transaction_that_is_open_survives_a_table_that_is_missing(monkeypatch):
    monkeypatch.setattr(MetricTotal._meta, "db_table", "clean_timestamps_missing")
    with transaction.atomic():
        note = Note.objects.create()
        assert read_snapshot_or_log() is None
        assert Note.objects.filter(pk=note.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_closed_is_closed_again():
    connection.close()
    with borrowed("default"):
        assert MetricTotal.objects.count() == 0
        assert connections["default"].connection is not None
    # SQLite's database in memory would be gone.
    assert connection.connection is None or connection.vendor == "sqlite"


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_open_stays_open():
    connection.ensure_connection()
    with borrowed("default"):
        pass
    assert connection.connection is not None
