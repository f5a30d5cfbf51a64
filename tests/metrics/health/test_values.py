"""What the checks say, in values, words and limits."""

import pytest
from django.utils import translation

from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.alerts.rules import rules_of
from django_clean_timestamps.metrics.health.limits import Limits, level_of
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Health, Level, worst
from django_clean_timestamps.metrics.health.words import counted, duration, listed
from tests.metrics.health.standing import LIMITS, NOON, WITHOUT

OK, WARNING, UNKNOWN, CRITICAL = Level


def result(level=OK, **values):
    return CheckResult(name="log", level=level, text="So it is.", checked_at=NOON, **values)


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ([], OK),
        ([OK, OK], OK),
        ([OK, WARNING], WARNING),
        ([UNKNOWN, WARNING], UNKNOWN),
        ([CRITICAL, UNKNOWN, OK], CRITICAL),
    ],
)
def test_the_worst_level_is_that_of_all(levels, level):
    assert worst(levels) is level
    assert Health(checks=tuple(map(result, levels)), checked_at=NOON).level is level


def test_health_is_complete_where_everything_could_be_asked():
    assert Health(checks=(result(CRITICAL), result()), checked_at=NOON).is_complete
    assert not Health(checks=(result(CRITICAL), result(UNKNOWN)), checked_at=NOON).is_complete


def test_json_names_units_and_has_what_errors_say_where_it_is_asked_for():
    check = result(WARNING, subject="default", figures=(Figure("oldest", "seconds", 1.5),), detail="secret")
    health = Health(checks=(check,), checked_at=NOON, evaluation_age_seconds=2.5)
    assert health.to_dict() == {
        "level": "warning",
        "checked_at": "2026-01-01T12:00:00+00:00",
        "evaluation_age_seconds": 2.5,
        "checks": [
            {
                "name": "log",
                "subject": "default",
                "level": "warning",
                "text": "So it is.",
                "remedy": "",
                "figures": {"oldest_seconds": 1.5},
                "checked_at": "2026-01-01T12:00:00+00:00",
            }
        ],
    }
    assert health.to_dict(with_detail=True)["checks"][0]["detail"] == "secret"
    assert "secret" not in repr(health)


def test_a_check_knows_when_it_was_made():
    assert CheckResult(name="log", level=OK, text="").checked_at.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3_599, "59 minutes"),
        (7_300, "2 hours"),
        (86_400, "1 day"),
        (86_400 * 1_500, "1,500 days"),
    ],
)
def test_a_time_in_words(seconds, words):
    assert duration(seconds) == words


def test_numbers_are_written_as_the_language_has_them():
    with translation.override("de"):
        assert counted(12_000) == "12.000"


def test_of_many_names_ten_are_listed():
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefghijkl")) == "a, b, c, d, e, f, g, h, i, j and 2 more"


@pytest.mark.parametrize(
    ("figure", "level"), [(None, OK), (0, OK), (1, OK), (1.5, WARNING), (2, WARNING), (2.5, CRITICAL)]
)
def test_a_level_is_reached_past_its_threshold(figure, level):
    assert level_of(figure, 1, 2) is level


def test_a_threshold_may_be_none():
    assert level_of(5, None, None) is OK
    assert level_of(5, None, 2) is CRITICAL


def test_limits_are_those_of_the_alerts_in_force(settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"oldest_event": {"warning": 10, "critical": 20}, "dead_events": None}}
    limits = Limits.in_force()
    assert [limits.judge("oldest_event", age) for age in (5, 15, 25)] == [OK, WARNING, CRITICAL]
    assert limits.judge("dead_events", 1_000) is OK


def test_alerts_that_cannot_be_used_are_refused(settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"none": {}}}
    with pytest.raises(InvalidSettingError, match="none"):
        Limits.in_force()


@pytest.mark.parametrize(
    ("count", "seconds", "level"),
    [
        (9_000, None, OK),
        (9_000, 59, OK),
        (9_000, 60, CRITICAL),
        (2_000, 60, WARNING),
        (1, 121, WARNING),
        (1, 601, CRITICAL),
    ],
)
def test_how_many_wait_counts_once_they_wait_for_a_minute(count, seconds, level):
    assert LIMITS.judge_backlog(count, seconds) is level
    assert WITHOUT.judge_backlog(count, seconds) is OK


def test_the_minute_is_as_long_as_the_alert_takes():
    assert Limits(rules_of({"undelivered": {"for": 1}})).judge_backlog(9_000, 15) is CRITICAL
