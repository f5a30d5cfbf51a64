"""What pages and files show of alerts."""

from datetime import timedelta

import pytest

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.models import AlertChange, AlertNotice, AlertState
from django_clean_timestamps.metrics.alerts.silencing import silence
from django_clean_timestamps.metrics.queries.alerts import read_alerts, read_episodes, read_notices, sum_up_rules
from tests.metrics.alerts.tables import LATENCY, NOON, beat, moment, roll_up, sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def trouble(house, settings):
    """Two alerts that fire, one of them critical, and one that is pending."""
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"latency": {"for": 1}}}
    roll_up(NOON, slow=100)
    house.passes(4, waiting=9_000)
    house.passes(1, waiting=9_000, oldest=700.0)
    return house


def test_the_worst_stand_first(trouble):
    alerts = read_alerts("default")
    assert [(alert.rule, alert.state, alert.level) for alert in alerts] == [
        ("undelivered", "firing", "critical"),
        ("latency", "firing", "warning"),
        ("oldest_event", "pending", "ok"),
    ]
    worst = alerts[0]
    assert worst.is_open
    assert (worst.value, worst.threshold, worst.unit, worst.clears_at) == (9_000, 5_000, "events", None)
    assert (worst.title, worst.subject_in_words) == ("Undelivered events", "all logs and handlers")
    assert worst.figures == "Waiting events: 9000; the limit is 5000."
    assert "timestamps_status" in worst.advice
    assert (worst.since, worst.updated_at) == (moment(NOON + 60), moment(NOON + 75))
    assert worst.told == {"log": "firing", "signal": "firing"}


def test_a_silence_shows_as_long_as_it_holds(trouble):
    until = database_now("default") + timedelta(hours=1)
    silence(*LATENCY, until, "ann")
    (alert,) = [each for each in read_alerts("default") if each.rule == "latency"]
    assert (alert.silenced_until, alert.silenced_by) == (until, "ann")
    AlertState.objects.update(silenced_until=database_now("default") - timedelta(seconds=1))
    assert {(each.silenced_until, each.silenced_by) for each in read_alerts("default")} == {(None, "")}


def test_every_rule_is_there_with_what_is_open_of_it(trouble):
    silence(*LATENCY, database_now("default") + timedelta(hours=1), "ann")
    rules = {each.rule.name: each for each in sum_up_rules(read_alerts("default"))}
    assert list(rules) == [
        "latency",
        "validation_errors",
        "undelivered",
        "oldest_event",
        "dead_events",
        "collector_silence",
    ]
    found = {name: (each.level, each.open_count, each.silenced_count) for name, each in rules.items()}
    assert found["latency"] == ("warning", 1, 1)
    assert found["undelivered"] == ("critical", 1, 0)
    assert found["oldest_event"] == ("ok", 0, 0)
    assert rules["latency"].title == "Slow operations"


class TestEpisodes:
    @pytest.fixture
    def ended(self, house):
        """An episode that began as a warning at noon and a minute, became critical and ended, and one that goes on."""
        house.passes(4, waiting=2_000)
        house.passes(4, waiting=9_000)
        house.passes(45, waiting=0)
        house.passes(4, waiting=2_000)
        return house

    def test_have_all_that_they_became(self, ended):
        later, earlier = read_episodes("default", moment(NOON), moment(ended.now + 1))
        assert (earlier.begun_at, earlier.level, earlier.episode) == (moment(NOON + 60), "critical", 1)
        assert earlier.ended_at is not None
        assert [(change.version, change.state, change.level, change.value) for change in earlier.changes] == [
            (1, "firing", "warning", 2_000),
            (2, "firing", "critical", 9_000),
            (3, "ok", "ok", 0),
        ]
        assert (later.episode, later.ended_at, later.level) == (2, None, "warning")
        assert (later.title, later.subject_in_words) == ("Undelivered events", "all logs and handlers")

    def test_are_those_that_the_range_touches(self, ended):
        def numbers(start, end):
            return [each.episode for each in read_episodes("default", moment(start), moment(end))]

        assert numbers(NOON - 60, NOON) == []
        assert numbers(NOON + 90, NOON + 91) == [1]
        assert numbers(ended.now + 60, ended.now + 120) == [2]
        (late,) = read_episodes("default", moment(NOON), moment(ended.now + 1), limit=1)
        assert late.episode == 2

    def test_there_are_none_of_a_quiet_project(self, house):
        house.passes(1, waiting=0)
        assert read_episodes("default", moment(NOON), moment(NOON + 60)) == []


def test_notices_say_who_was_told_what(trouble, settings):
    AlertNotice.objects.filter(rule="latency").delete()
    AlertNotice.objects.update(tried_at=moment(NOON))
    AlertNotice.objects.filter(sink="log").update(told_at=None, error="OSError: full")
    found = {each.sink: each for each in read_notices("default", moment(NOON), moment(NOON + 1))}
    assert (found["log"].told_at, found["log"].error) == (None, "OSError: full")
    assert found["signal"].told_at is not None
    assert found["signal"].key == "undelivered/all/1.1.1/firing"
    assert (found["signal"].state, found["signal"].level, found["signal"].episode) == ("firing", "critical", 1)
    assert (found["signal"].title, found["signal"].subject_in_words) == ("Undelivered events", "all logs and handlers")
    assert read_notices("default", moment(NOON - 9), moment(NOON)) == []
    assert len(read_notices("default", moment(NOON), moment(NOON + 1), limit=1)) == 1


def test_each_is_read_in_few_statements(trouble, django_assert_num_queries):
    beat(NOON)
    sample(NOON)
    with django_assert_num_queries(2):
        sum_up_rules(read_alerts("default"))
    with django_assert_num_queries(2):
        read_episodes("default", moment(NOON), moment(NOON + 9_000))
    with django_assert_num_queries(1):
        read_notices("default", moment(NOON), moment(NOON + 9_000))


def test_rows_name_themselves(trouble):
    assert str(AlertState.objects.get(rule="latency")) == "latency of shop.order/update/default: firing"
    assert str(AlertChange.objects.get(rule="undelivered")).startswith("undelivered of all: firing at 2027-01-15 12:01")
    assert str(AlertNotice.objects.get(rule="undelivered", sink="log")) == "undelivered/all/1.1.1/firing to log"
