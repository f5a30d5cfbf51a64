"""What becomes of alerts pass by pass, and who is told."""

import logging

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.alerts import evaluation as module
from django_clean_timestamps.metrics.alerts.evaluation import Evaluator, state_of
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.keeping import Keeper
from django_clean_timestamps.metrics.lease import LeaseLost, take_lease
from django_clean_timestamps.metrics.models import MetricLease, MetricSeries
from tests.metrics.alerts.tables import LATENCY, NOON, House, beat, moment, roll_up, sample

pytestmark = pytest.mark.django_db

DAY = 86_400


def only(**values):
    (row,) = AlertState.objects.filter(**values)
    return row


def test_a_healthy_project_writes_nothing_but_that_it_was_evaluated(house):
    roll_up(NOON, fast=100)
    house.passes(3, waiting=5)
    assert not AlertState.objects.exists()
    assert MetricLease.objects.get().evaluated_at == house.now
    with CaptureQueriesContext(connection) as queries:
        house.evaluator.evaluate(take_lease("default", 1), house.now + 15)
    assert not [query["sql"] for query in queries if "alert" in query["sql"] and query["sql"].startswith(("INS", "UP"))]


def test_it_is_evaluated_as_often_as_it_is_sampled(house):
    house.passes(1, waiting=5)
    house.now += 14
    assert not house.evaluate()
    house.now += 1
    assert house.evaluate()


def test_what_lasts_fires_once_and_is_over_ten_minutes_after_its_end(house, hearing):
    house.passes(3, waiting=2_000)
    assert (only().state, hearing.heard) == ("pending", [])
    house.passes(5, waiting=2_000)
    assert hearing.keys == ["undelivered/all/1.1.1/firing"]
    house.passes(39, waiting=0)
    assert only().clears_at == moment(NOON + 8 * 15 + 600)
    house.passes(2, waiting=0)
    assert hearing.keys == ["undelivered/all/1.1.1/firing", "undelivered/all/1.2.2/ok"]
    assert (only().state, only().level) == ("ok", "ok")
    assert [(change.version, change.state) for change in AlertChange.objects.order_by("version")] == [
        (1, "firing"),
        (2, "ok"),
    ]


def test_what_is_told_has_the_figures_of_its_beginning(house, hearing):
    house.passes(4, waiting=2_000)
    house.passes(1, waiting=3_000)
    (alert,) = hearing.heard
    assert (alert.value, alert.threshold, alert.unit, alert.level) == (2_000, 1_000, "events", "warning")
    assert alert.changed_at == moment(NOON + 60)
    assert alert.title == "[warning] Undelivered events: all logs and handlers"
    assert alert.figures == "Waiting events: 2000; the limit is 1000."
    assert "timestamps_status" in alert.advice
    assert only().value == 3_000


def test_latency_is_told_with_its_share_and_what_is_slow(house, hearing):
    for _ in range(4):
        roll_up(house.now, fast=house.now % 7 + 40, slow=60)
        house.passes(1, seconds=60)
    (alert,) = hearing.heard
    assert (alert.rule, alert.subject) == LATENCY
    assert (alert.unit, alert.threshold, alert.slow_ms, alert.window_seconds) == ("percent", 5, 5, 300)
    assert 50 < alert.value < 70
    assert alert.title == "[warning] Slow operations: update of shop.order on default"
    assert "% of operations took over 5 ms in the last 5 minutes; the limit is 5%." in alert.figures


def test_critical_latency_has_the_critical_threshold(house, hearing):
    for _ in range(4):
        roll_up(house.now, fast=house.now % 7 + 40, slow=60, seconds=0.02)
        house.passes(1, seconds=60)
    assert {(alert.level, alert.slow_ms) for alert in hearing.heard} == {("critical", 10)}


def test_where_there_is_no_warning_the_critical_threshold_is_shown(house, settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"latency": {"warning": None, "for": 1}}}
    roll_up(NOON, slow=60, seconds=0.02)
    house.passes(1)
    roll_up(NOON, fast=90_000, slow=60, seconds=0.02)
    house.passes(1)
    assert (only().slow_ms, only().value < 1) == (10, True)


def test_all_sinks_are_told_and_it_is_written_down(house, hearing, caplog, settings, mailoutbox):
    settings.CLEAN_TIMESTAMPS = {"ALERT_MAIL_TO": ["ops@example.org", "boss@example.org"]}
    with caplog.at_level(logging.INFO, logger="django_clean_timestamps.alerts"):
        house.passes(6, waiting=9_000)
    assert len(hearing.heard) == len(caplog.records) == len(mailoutbox) == 1
    notices = AlertNotice.objects.order_by("sink")
    assert [(each.sink, each.attempts, each.error, each.recipients) for each in notices] == [
        ("log", 1, "", ""),
        ("mail", 1, "", "ops@example.org, boss@example.org"),
        ("signal", 1, "", ""),
    ]
    assert all(each.told_at is not None and each.level == "critical" for each in notices)
    assert {sink: told["number"] for sink, told in only().told.items()} == {"log": 1, "mail": 1, "signal": 1}


def test_many_at_once_are_one_mail(house, settings, mailoutbox):
    settings.CLEAN_TIMESTAMPS = {"ALERT_MAIL_TO": ["ops@example.org"], "ALERTS": {"latency": {"for": 1}}}
    for number in range(60):
        roll_up(NOON, (f"shop.model{number}", "update", "ok", "default"), slow=100)
    house.passes(1)
    assert [len(mail.body.split("/firing\n")) - 1 for mail in mailoutbox] == [50, 10]
    assert AlertNotice.objects.filter(sink="mail", told_at__isnull=False).count() == 60


class TestData:
    def test_an_alert_whose_data_ends_says_so_and_is_forgotten_after_a_day(self, house, hearing):
        house.passes(4, waiting=9_000)
        house.passes(45)
        assert (only().state, only().level) == ("no_data", "critical")
        house.passes(1, seconds=DAY)
        assert [alert.state for alert in hearing.heard] == ["firing", "no_data", "ok"]
        assert only().level == "ok"

    def test_a_rule_that_is_switched_off_is_over_at_once(self, house, hearing, settings):
        house.passes(4, waiting=9_000)
        settings.CLEAN_TIMESTAMPS = {"ALERTS": {"undelivered": None}}
        house.passes(2, waiting=9_000)
        assert [alert.state for alert in hearing.heard] == ["firing", "ok"]

    def test_rows_of_a_rule_that_is_gone_are_left_alone(self, house):
        house.passes(4, waiting=9_000)
        AlertState.objects.update(rule="phase_of_moon")
        house.passes(1, waiting=0)
        assert only(rule="phase_of_moon").state == "firing"

    def test_a_gap_begins_pending_again_and_a_longer_one_does_on_sqlite(self, house, vendor):
        house.passes(3, waiting=9_000)
        house.passes(1, seconds=900, waiting=9_000)
        assert only().state == ("firing" if vendor == "sqlite" else "pending")

    def test_an_operation_that_vanished_keeps_its_row_and_its_numbers(self, house, settings):
        settings.CLEAN_TIMESTAMPS = {"ALERTS": {"latency": {"for": 1}}}
        roll_up(NOON, slow=100)
        house.passes(1)
        house.passes(1, seconds=7_200)
        house.passes(1, seconds=2 * DAY)
        assert (only().level, only().episode) == ("ok", 1)
        roll_up(house.now, slow=100)
        house.passes(1)
        assert (only().state, only().episode) == ("firing", 2)
        assert MetricSeries.objects.count() == 1


class TestFaults:
    def test_one_that_dies_after_the_change_leaves_the_notice_to_the_next(self, house, hearing, monkeypatch):
        house.passes(3, waiting=2_000)

        def killed(self, owed):
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(module.Telling, "tell", killed)
            with pytest.raises(SystemExit):
                house.passes(1, waiting=2_000)
        assert (only().state, hearing.heard) == ("firing", [])
        MetricLease.objects.update(lease_until=None)
        second = House(now=house.now, owner=2)
        second.passes(3, waiting=4_000)
        assert hearing.keys == ["undelivered/all/1.1.1/firing"]
        assert hearing.heard[0].value == 2_000

    def test_one_that_dies_before_it_is_written_down_has_it_told_again_the_same(self, house, hearing, monkeypatch):
        house.passes(3, waiting=2_000)

        def killed(self):
            if hearing.heard:
                raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(module.Telling, "settle", killed)
            with pytest.raises(SystemExit):
                house.passes(1, waiting=2_000)
        MetricLease.objects.update(lease_until=None)
        House(now=house.now, owner=2).passes(3, waiting=4_000)
        first, second = hearing.heard
        assert first == second

    def test_one_whose_lease_is_lost_changes_nothing(self, house, hearing):
        house.passes(3, waiting=2_000)
        lease = take_lease("default", 1)
        MetricLease.objects.update(lease_until=None)
        take_lease("default", 2)
        sample(house.now + 15, waiting=2_000)
        lease.sampled_at = house.now + 15
        with pytest.raises(LeaseLost):
            house.evaluator.evaluate(lease, house.now + 15)
        assert (only().state, hearing.heard) == ("pending", [])

    def test_one_that_read_before_another_wrote_changes_nothing(self, house, hearing, monkeypatch):
        house.passes(3, waiting=2_000)
        step = Evaluator._step

        def meanwhile(self, lease, rows, now):
            AlertState.objects.update(revision=99)
            step(self, lease, rows, now)

        monkeypatch.setattr(Evaluator, "_step", meanwhile)
        house.now += 15
        sample(house.now, waiting=2_000)
        beat(house.now)
        assert not house.evaluate()
        assert (only().state, hearing.heard) == ("pending", [])

    def test_one_that_makes_a_row_which_another_made_changes_nothing(self, house, monkeypatch):
        step = Evaluator._step

        def meanwhile(self, lease, rows, now):
            step(self, lease, dict(rows), now)
            step(self, lease, {}, now)

        monkeypatch.setattr(Evaluator, "_step", meanwhile)
        house.now += 15
        sample(house.now, waiting=2_000)
        beat(house.now)
        assert not house.evaluate()
        assert only().bad_count == 1

    def test_rules_that_cannot_be_used_change_nothing(self, house, settings):
        house.passes(4, waiting=2_000)
        settings.CLEAN_TIMESTAMPS = {"ALERTS": {"undelivered": {"warning": "many"}}}
        with pytest.raises(InvalidSettingError, match="'many'"):
            house.passes(1, waiting=2_000)
        assert only().state == "firing"

    def test_a_database_that_fails_is_for_the_next_pass(self, house, hearing, monkeypatch):
        house.passes(3, waiting=2_000)

        def broken(self, rows):
            raise DatabaseError("no room")

        with monkeypatch.context() as patch:
            patch.setattr(Evaluator, "_write_known", broken)
            with pytest.raises(DatabaseError):
                house.passes(1, waiting=2_000)
        assert (only().state, hearing.heard) == ("pending", [])
        house.passes(1, waiting=2_000)
        assert hearing.keys == ["undelivered/all/1.1.1/firing"]


class TestHistory:
    def test_is_kept_for_ninety_days(self, house):
        house.passes(4, waiting=2_000)
        AlertNotice.objects.update(tried_at=moment(NOON))
        house.passes(1, seconds=89 * DAY, waiting=2_000)
        assert (AlertChange.objects.count(), AlertNotice.objects.count()) == (1, 2)
        house.passes(1, seconds=3 * DAY, waiting=2_000)
        assert (AlertChange.objects.count(), AlertNotice.objects.count()) == (0, 0)
        assert only().state == "firing"

    def test_what_is_told_again_after_that_has_no_figures(self, house, hearing):
        house.passes(4, waiting=2_000)
        AlertState.objects.update(told={})
        AlertChange.objects.all().delete()
        house.passes(1, waiting=2_000)
        assert (hearing.heard[1].value, hearing.heard[1].figures) == (None, "")

    def test_goes_some_rows_at_a_time(self, house, monkeypatch):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
        AlertChange.objects.bulk_create(
            AlertChange(
                rule="undelivered",
                subject="all",
                episode=1,
                version=number,
                state="ok",
                level="ok",
                changed_at=moment(1),
            )
            for number in range(5)
        )
        house.passes(1)
        assert AlertChange.objects.count() == 3
        house.passes(2)
        assert AlertChange.objects.count() == 0


@pytest.mark.django_db(databases="__all__")
def test_whoever_has_the_lease_evaluates():
    assert Keeper(1, "default").keep()
    assert MetricLease.objects.get().evaluated_at > 1_700_000_000
    assert only(rule="collector_silence").state == "pending"
    assert state_of(only()).bad_count == 1
