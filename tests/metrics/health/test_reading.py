"""Asking everything that health is made of."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.health import reading
from django_clean_timestamps.metrics.health.probing import Answer
from django_clean_timestamps.metrics.health.reading import read_health
from django_clean_timestamps.metrics.health.values import Level
from django_clean_timestamps.metrics.models import MetricLease, MetricSeries, MetricWriter
from django_clean_timestamps.testing import drain_all
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture
from tests.eventlog.log import add_pending, dropped
from tests.management.conftest import OnlyDefault
from tests.testapp.models import Note

OK, WARNING, UNKNOWN, CRITICAL = Level
in_test_case = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def kept():
    """A house that was kept just now, by a relay."""
    now = database_now("default")
    MetricLease.objects.create(pk=1, sampled_at=int(now.timestamp()), evaluated_at=int(now.timestamp()) - 30)
    MetricWriter.objects.create(pk=1, kind="relay", host="box", version="1")


def found(health, name, subject=None):
    return [each for each in health.checks if each.name == name and subject in (None, each.subject)]


def the(health, name, subject=None):
    (check,) = found(health, name, subject)
    return check


def fail(*_, **__):
    raise OperationalError("connection of anna lost")


@in_test_case
class TestWell:
    def test_everything_is_asked_in_order(self, kept):
        health = read_health()
        assert [(each.name, each.subject) for each in health.checks] == [
            ("database", "default"),
            ("database", "other"),
            ("log", "default"),
            ("sequencer", "default"),
            ("transactions", "default"),
            ("dead_events", "default"),
            ("log", "other"),
            ("sequencer", "other"),
            ("transactions", "other"),
            ("dead_events", "other"),
            ("metrics", ""),
            ("collector", ""),
            ("clocks", ""),
            ("series", ""),
            ("alerts", ""),
            ("delivery", ""),
        ]
        assert (health.level, health.is_complete) == (OK, True)
        assert 30 <= health.evaluation_age_seconds < 90

    def test_databases_can_be_named(self, kept):
        health = read_health(["other", "other"])
        assert [each.subject for each in found(health, "log")] == ["other"]
        assert the(health, "collector").level is OK

    def test_without_metrics_there_is_nothing_of_them(self, settings):
        settings.CLEAN_TIMESTAMPS = {"METRICS": False}
        health = read_health()
        assert {each.name for each in health.checks} == {
            "database",
            "log",
            "sequencer",
            "transactions",
            "dead_events",
            "delivery",
        }
        assert (health.level, health.evaluation_age_seconds) == (OK, None)

    def test_before_anything_was_collected_that_is_told(self):
        health = read_health()
        assert (health.level, the(health, "collector").level) == (WARNING, WARNING)

    def test_nothing_is_changed(self, kept, django_assert_max_num_queries):
        Note.objects.create()
        drain_all()
        read_health()
        with django_assert_max_num_queries(70) as queries:
            read_health()
        assert not [each for each in queries.captured_queries if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


@in_test_case
class TestWaiting:
    def test_what_is_pending_counts_where_somebody_hears_it(self):
        add_pending(1, recorded_at=database_now("default") - timedelta(seconds=700))
        assert the(read_health(), "delivery").level is OK
        on_timestamp(name="tests.mail")(lambda event: None)
        health = read_health()
        assert (the(health, "sequencer", "default").level, the(health, "delivery").level) == (CRITICAL, CRITICAL)

    def test_what_a_handler_has_not_heard_counts(self):
        on_timestamp(name="tests.mail")(lambda event: None)
        Note.objects.create()
        drain_all()
        Subscription.objects.filter(handler="tests.mail", log_alias="default").update(cursor=0)
        Event.objects.update(recorded_at=database_now("default") - timedelta(seconds=200))
        health = read_health()
        subscription = [each for each in found(health, "subscription", "tests.mail") if each.level is WARNING]
        assert len(subscription) == 1
        assert the(health, "delivery").level is CRITICAL

    def test_one_that_is_paused_keeps_nobody_waiting(self):
        self.test_what_a_handler_has_not_heard_counts()
        Subscription.objects.filter(log_alias="default").update(state="paused")
        assert the(read_health(), "delivery").level is OK


@in_test_case
class TestAlerts:
    def test_those_that_fire_are_told_of(self, kept):
        now = database_now("default")
        times = {"since": now, "updated_at": now, "episode": 1, "version": 1}
        AlertState.objects.create(
            rule="undelivered", subject="", state="firing", level="critical", bad_count=4, critical_count=4, **times
        )
        health = read_health()
        assert the(health, "alerts").text.startswith("Firing: Undelivered events")
        assert health.level is CRITICAL

    def test_an_error_there_leaves_the_rest(self, kept, monkeypatch):
        monkeypatch.setattr(reading, "read_alerts", fail)
        health = read_health()
        assert (the(health, "collector").level, the(health, "delivery").level) == (OK, OK)
        metrics = found(health, "metrics")
        assert [each.level for each in metrics] == [OK, UNKNOWN]
        assert (metrics[1].text, "anna" in metrics[1].detail) == ("It could not be asked: OperationalError.", True)


@in_test_case
class TestMissing:
    def test_migrations_of_the_log_that_are_not_applied_are_critical(self, kept):
        MigrationRecorder.Migration.objects.using("other").filter(app="clean_timestamps", name="0002_delivery").delete()
        log = the(read_health(), "log", "other")
        assert (log.level, log.text) == (CRITICAL, "Migrations are not applied: 0002_delivery.")

    def test_a_project_without_any_table_is_told_to_migrate(self, monkeypatch):
        monkeypatch.setattr(reading, "has_log", lambda alias: False)
        health = read_health()
        assert the(health, "log").remedy == "Run 'manage.py migrate'."
        assert health.level is CRITICAL

    def test_a_project_without_entities_needs_no_log(self, monkeypatch, kept):
        monkeypatch.setattr(reading, "entity_aliases", tuple)
        health = read_health()
        assert the(health, "log").text == "The project has no entity yet, so there is nothing to log."
        assert health.level is OK

    def test_where_routers_let_no_entity_be_nothing_is_asked(self, settings, kept):
        settings.DATABASE_ROUTERS = [OnlyDefault()]
        assert [each.subject for each in found(read_health(), "database")] == ["default"]

    def test_a_handler_that_writes_where_delivery_has_no_tables_is_told_of(self, monkeypatch):
        on_timestamp(name="tests.mail", using="other")(lambda event: None)
        monkeypatch.setattr(reading, "has_delivery_tables", lambda alias: alias == "default")
        health = read_health(["default"])
        assert the(health, "subscriptions", "other").level is CRITICAL
        assert "clean_timestamps_subscription" in the(health, "subscriptions", "other").text

    def test_databases_that_no_handler_writes_to_need_none(self, monkeypatch):
        on_timestamp(name="tests.mail", using="other")(lambda event: None)
        monkeypatch.setattr(reading, "has_delivery_tables", lambda alias: alias == "other")
        assert found(read_health(["default"]), "subscriptions") == []

    def test_a_replica_has_no_subscriptions(self, monkeypatch):
        on_timestamp(name="tests.mail")(lambda event: None)
        drain_all()
        assert found(read_health(["default"]), "subscription")
        monkeypatch.setattr(reading, "is_read_only", lambda alias: True)
        assert found(read_health(["default"]), "subscription") == []

    def test_settings_that_cannot_be_used_are_refused(self, settings):
        settings.CLEAN_TIMESTAMPS = {"ALERTS": {"none": {}}}
        with pytest.raises(InvalidSettingError):
            read_health()


def test_tables_that_are_missing_are_critical(committing):  # noqa: F811 - the fixture
    with dropped(Event, MetricSeries):
        health = read_health(["default"])
    assert the(health, "log", "default").text == "Tables are missing: clean_timestamps_event."
    assert the(health, "metrics").text == "Tables are missing: clean_timestamps_metricseries."
    assert not found(health, "sequencer")
    assert not found(health, "collector")
    assert "not known" in the(health, "delivery").text


@in_test_case
class TestSilence:
    @pytest.fixture
    def silent(self, monkeypatch):
        """Let a database not answer."""

        def be_silent(*aliases):
            def ask_all(asked, work):
                return {each: Answer(error=TimeoutError() if each in aliases else None) for each in asked}

            monkeypatch.setattr(reading, "ASKER", SimpleNamespace(ask_all=ask_all))

        return be_silent

    def test_what_lies_there_is_unknown_and_the_rest_is_asked(self, silent, kept):
        silent("other")
        health = read_health()
        assert (health.level, health.is_complete) == (CRITICAL, False)
        assert (the(health, "database", "other").level, the(health, "log", "other").level) == (CRITICAL, UNKNOWN)
        assert (the(health, "log", "default").level, the(health, "collector").level) == (OK, OK)
        assert not found(health, "sequencer", "other")

    def test_that_of_the_metrics_is_told_of_as_well(self, silent):
        silent("default", "other")
        health = read_health()
        assert [each.level for each in found(health, "log")] == [UNKNOWN, UNKNOWN]
        assert the(health, "metrics").level is UNKNOWN
        assert "not known" in the(health, "delivery").text

    def test_that_of_a_handler_too(self, silent, kept):
        on_timestamp(name="tests.mail", using="other")(lambda event: None)
        silent("other")
        health = read_health(["default"])
        assert the(health, "subscriptions", "other").level is UNKNOWN
        assert the(health, "sequencer", "default").level is OK

    def test_an_error_in_the_midst_keeps_what_came_before(self, monkeypatch, kept):
        monkeypatch.setattr(reading, "read_subscriptions", fail)
        health = read_health(["default"])
        assert [each.level for each in found(health, "log")] == [OK, UNKNOWN]
        assert the(health, "sequencer").level is OK


@in_test_case
def test_metrics_in_a_database_that_is_not_there_are_critical(settings):
    settings.CLEAN_TIMESTAMPS = {"METRICS_DATABASE": "nowhere"}
    health = read_health(["default"])
    database = the(health, "database", "nowhere")
    assert (database.level, database.text) == (CRITICAL, "It cannot be reached: ConnectionDoesNotExist.")
    assert the(health, "metrics").level is UNKNOWN
