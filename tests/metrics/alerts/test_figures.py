"""The figures that rules judge, out of the tables."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.delivery.registry import on_timestamp
from django_clean_timestamps.metrics.alerts.figures import Figures, rule_for
from django_clean_timestamps.metrics.alerts.rules import rules_of
from django_clean_timestamps.metrics.lease import take_lease
from tests.metrics.alerts.tables import LATENCY, NOON, REFUSED, beat, roll_up, sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge():
    """Return what judges everything by the rules, with what is changed of them."""
    figures = Figures("default")

    def judge(alerts=None, *, now=NOON, closed_before=0):
        lease = take_lease("default", 1)
        lease.sampled_at = now - now % 15
        lease.closed_before = closed_before
        found = figures.judge(rules_of(alerts), lease, now)
        return {key: judged.verdict for key, judged in found.items()}

    return judge


class TestLatency:
    def test_each_operation_has_an_alert_of_its_own(self, judge):
        roll_up(NOON, fast=50, slow=50)
        roll_up(NOON, ("shop.order", "create", "ok", "default"), fast=100)
        roll_up(NOON, ("shop.order", "create", "ok", "other"), slow=100, seconds=0.011)
        verdicts = judge()
        found = {subject: verdict.level for (rule, subject), verdict in verdicts.items() if rule == "latency"}
        assert found == {
            "shop.order/update/default": "warning",
            "shop.order/create/default": "ok",
            "shop.order/create/other": "critical",
        }
        assert (verdicts[LATENCY].bad, verdicts[LATENCY].total, verdicts[LATENCY].value) == (50, 100, 0.5)

    def test_sums_bulk_forms_and_what_was_refused_have_none(self, judge):
        for series in (
            ("__all__", "rows", "ok", ""),
            ("shop.order", "bulk_create", "ok", "default"),
            ("", "handler:shop.mail", "ok", "default"),
            ("__other__", "__other__", "ok", ""),
            REFUSED,
        ):
            roll_up(NOON, series, slow=100)
        assert not [key for key in judge() if key[0] == "latency"]

    def test_a_handler_has_one_where_it_is_given_a_threshold(self, judge):
        roll_up(NOON, ("", "handler:shop.mail", "ok", "default"), slow=100, warning=None, critical=1.5, seconds=2)
        alerts = {"latency": {"operations": {"handler:shop.mail": {"critical": 1_500}}}}
        assert judge(alerts)["latency", "/handler:shop.mail/default"].level == "critical"

    def test_what_was_counted_by_other_thresholds_is_no_data(self, judge):
        roll_up(NOON - 60, slow=100)
        alerts = {"latency": {"warning": 8}}
        assert judge(alerts)[LATENCY].level == "no_data"
        roll_up(NOON, fast=100, slow=10, warning=0.008, seconds=0.009)
        assert (judge(alerts)[LATENCY].bad, judge(alerts)[LATENCY].total) == (10, 110)

    def test_what_was_counted_by_several_is_no_data(self, judge):
        roll_up(NOON, slow=100, warning=None, critical=None)
        assert judge()[LATENCY].level == "no_data"

    def test_a_level_that_is_never_reached_need_not_be_counted(self, judge):
        roll_up(NOON, slow=100, warning=0.005, critical=0.020)
        assert judge({"latency": {"critical": None}})[LATENCY].level == "warning"

    def test_an_operation_without_any_threshold_is_not_judged(self, judge):
        roll_up(NOON, slow=100)
        assert LATENCY not in judge({"latency": {"operations": {"update": None}}})
        assert LATENCY not in judge({"latency": {"warning": None, "critical": None}})
        assert LATENCY not in judge({"latency": False})

    def test_what_is_older_than_an_hour_does_not_count(self, judge):
        roll_up(NOON - 3_660, slow=1_000)
        assert LATENCY not in judge()
        roll_up(NOON - 3_540, slow=100)
        assert judge()[LATENCY].total == 100
        assert LATENCY not in judge(now=NOON + 3_600)

    def test_minutes_that_are_closed_are_read_once(self, judge):
        roll_up(NOON - 600, slow=10)
        roll_up(NOON - 60, slow=10)
        assert judge(closed_before=NOON - 300)[LATENCY].total == 20
        roll_up(NOON - 600, slow=1_000)
        roll_up(NOON - 60, slow=15)
        assert judge()[LATENCY].total == 25


class TestRefusals:
    def test_are_counted_by_model_among_all_its_operations(self, judge):
        roll_up(NOON, REFUSED, fast=10)
        roll_up(NOON, fast=80)
        roll_up(NOON - 60, ("shop.order", "create", "failed", "other"), fast=10)
        roll_up(NOON, ("shop.order", "bulk_create", "invalid", "default"), fast=10)
        roll_up(NOON, ("shop.item", "create", "ok", "default"), fast=10)
        verdicts = judge()
        found = {key[1]: verdict for key, verdict in verdicts.items() if key[0] == "validation_errors"}
        assert {subject: (each.level, each.bad, each.total) for subject, each in found.items()} == {
            "shop.order": ("critical", 10, 100),
            "shop.item": ("ok", 0, 10),
        }


class TestGauges:
    @pytest.mark.parametrize(("rule", "value"), [("undelivered", 1_200), ("oldest_event", 130.0), ("dead_events", 3)])
    def test_the_worst_of_those_that_nothing_explains_counts(self, judge, rule, value):
        sample(NOON, handler="", state="", waiting=7)
        sample(NOON, handler="a", waiting=1_200, oldest=100.0, dead=1)
        sample(NOON, handler="b", state="backing_off", waiting=2, oldest=130.0, dead=2)
        for state in ("paused", "replaying", "orphan"):
            sample(NOON, handler=state, state=state, waiting=90_000, oldest=9_000.0, dead=50)
        verdict = judge()[rule, "all"]
        assert (verdict.value, verdict.level) == (value, "warning")

    def test_a_log_counts_where_a_handler_hears_it(self, judge):
        sample(NOON, handler="", state="", waiting=7_000, oldest=700.0)
        assert judge()["undelivered", "all"].level == "no_data"
        on_timestamp(name="otherapp.ear", sender="otherapp.remote")(print)
        assert judge()["undelivered", "all"].level == "no_data"
        on_timestamp(name="testapp.ear", sender="testapp.note")(print)
        verdicts = judge()
        assert {verdicts[rule, "all"].level for rule in ("undelivered", "oldest_event")} == {"critical"}
        assert verdicts["dead_events", "all"].level == "ok"

    @pytest.mark.parametrize("rule", ["undelivered", "oldest_event", "dead_events"])
    def test_none_of_these_is_no_data(self, judge, rule):
        sample(NOON, state="paused", waiting=90_000)
        assert judge()[rule, "all"].level == "no_data"

    def test_where_nothing_waits_nothing_is_old(self, judge):
        sample(NOON)
        assert (judge()["oldest_event", "all"].value, judge()["oldest_event", "all"].level) == (0, "ok")

    def test_only_the_last_samples_count(self, judge):
        sample(NOON - 15, waiting=90_000)
        sample(NOON)
        assert judge()["undelivered", "all"].value == 0

    def test_silence_is_how_long_ago_the_last_process_gave_a_sign(self, judge):
        assert (judge()["collector_silence", "all"].value, judge()["collector_silence", "all"].level) == (
            None,
            "critical",
        )
        beat(NOON - 400, writer=1)
        beat(NOON - 200, writer=2)
        assert (judge()["collector_silence", "all"].value, judge()["collector_silence", "all"].level) == (
            200,
            "warning",
        )
        beat(NOON + 1)
        assert judge()["collector_silence", "all"].value == 0


def test_however_many_series_there_are_it_is_four_statements(judge):
    for number in range(30):
        roll_up(NOON, (f"shop.model{number}", "update", "ok", "default"), fast=10)
    sample(NOON)
    lease = take_lease("default", 1)
    lease.sampled_at = NOON
    with CaptureQueriesContext(connection) as queries:
        assert len(Figures("default").judge(rules_of(None), lease, NOON)) == 64
    assert len(queries) == 4


def test_a_rule_that_is_switched_off_has_no_threshold_for_anybody():
    (latency, *_) = rules_of({"latency": False})
    assert not rule_for(latency, "shop.order/update/default").enabled


def test_what_has_no_figures_any_more_is_no_data():
    judged = Figures("default").judge_missing(rules_of(None)[0], LATENCY[1])
    assert (judged.verdict.level, judged.rule.warning) == ("no_data", 5)
