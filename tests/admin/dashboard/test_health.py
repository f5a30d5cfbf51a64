"""The page of health: each check with what to do, and the processes."""

import pytest

from django_clean_timestamps.admin.dashboard import health
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Health, Level
from tests.admin.dashboard.figures import moment, now, process, text_of, url


@pytest.fixture
def found(monkeypatch):
    """Let the checks find what they are told to."""

    def found(*checks, age=None):
        result = Health(checks=checks, checked_at=moment(now()), evaluation_age_seconds=age)
        monkeypatch.setattr(health, "read_health", lambda: result)

    return found


BAD = CheckResult(
    name="dead_events",
    subject="default",
    level=Level.CRITICAL,
    text="2 events are dead.",
    remedy="Read why.",
    figures=(Figure("dead", "events", 2), Figure("oldest", "seconds", 90.0), Figure("none", "events", None)),
    detail="password of 10.0.0.1",
)
WELL = CheckResult(name="sequencer", level=Level.OK, text="It goes on.")


def test_the_worst_comes_first_with_what_to_do(metrics_client, db, found):
    found(WELL, BAD, age=65.0)
    response = metrics_client.get(url("health"))
    assert [row.name for row in response.context["checks"]] == ["dead events", "sequencer"]
    text = text_of(response)
    assert "Critical 1 of 2 checks need a look." in text
    assert "2 events are dead. What to do: Read why. dead: 2 oldest: 90 s" in text
    assert "Alerts were evaluated 1 minute ago." in text
    assert "10.0.0.1" not in text


def test_what_an_error_said_is_for_those_who_may_see_everything(admin_client, db, found):
    found(BAD)
    assert "password of 10.0.0.1" in text_of(admin_client.get(url("health")))


def test_all_is_well(metrics_client, db, found):
    found(WELL)
    text = text_of(metrics_client.get(url("health")))
    assert "Well All 1 checks are well." in text
    assert "Alerts were never evaluated." in text


def test_each_process_is_shown(metrics_client, db, found):
    found(WELL)
    process(1)
    process(2, ago=400, kind="relay", skew_seconds=-2.5, dropped=3)
    process(3, ago=90, kind="cron", skew_seconds=0.25)
    text = text_of(metrics_client.get(url("health")))
    assert "web ✓ living host-1 1.2.3" in text
    assert "relay ○ gone host-2 1.2.3" in text
    assert "6 minutes ago △ \N{MINUS SIGN}2.5 s △ 3" in text
    assert "cron" in text
    assert "+250 ms" in text


def test_no_process_was_there(metrics_client, db, found):
    found(WELL)
    assert "No process has recorded anything in the last day." in text_of(metrics_client.get(url("health")))


@pytest.mark.django_db(databases=["default", "other"])
def test_the_checks_are_made_when_the_page_is_asked_for(metrics_client):
    response = metrics_client.get(url("health"))
    assert response.status_code == 200
    assert len(response.context["checks"]) > 3
