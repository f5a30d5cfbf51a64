"""The checks for django-health-check, in its own view and by its own rules."""

import asyncio
import dataclasses
import json
import threading
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections
from django.test import RequestFactory

from django_clean_timestamps.metrics.health.readiness import Word
from django_clean_timestamps.metrics.health.values import CheckResult, Health, Level
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture
from tests.metrics.health.standing import NOON

pytest.importorskip("health_check")

from health_check.exceptions import ServiceUnavailable, ServiceWarning
from health_check.views import HealthCheckView

from django_clean_timestamps.contrib.health_check import TimestampsHealth, TimestampsReady, checks


@pytest.fixture
def standing(monkeypatch):
    """Return what sets the checks that are found, by name and level, and the list of what was asked for."""
    asked = []

    def stand(**levels):
        found = tuple(
            CheckResult(name=name, subject="here", level=level, text="So it is.", checked_at=NOON, detail="anna")
            for name, level in levels.items()
        )
        health = Health(checks=found, checked_at=NOON)
        monkeypatch.setattr(checks, "read_health", lambda databases: asked.append(databases) or health)
        return asked

    return stand


@pytest.fixture
def word(monkeypatch):
    """Return what sets the word of readiness."""
    return lambda word: monkeypatch.setattr(checks, "READINESS", SimpleNamespace(ask=lambda: word))


def page(*wanted):
    """Return the status and the JSON of django-health-check's page with these checks."""
    view = HealthCheckView.as_view(checks=wanted)
    response = asyncio.run(view(RequestFactory().get("/", {"format": "json"})))
    return response.status_code, json.loads(response.content)


class TestReady:
    def test_a_process_that_can_serve_passes(self, word):
        word(Word.READY)
        assert TimestampsReady().run() is None

    def test_one_that_cannot_says_why(self, word):
        word(Word.UNMIGRATED)
        with pytest.raises(ServiceUnavailable, match="unmigrated"):
            TimestampsReady().run()


class TestHealth:
    def test_what_is_well_passes(self, standing):
        asked = standing(log=Level.OK)
        TimestampsHealth(databases=("other",)).run()
        assert asked == [("other",)]

    @pytest.mark.parametrize("level", [Level.CRITICAL, Level.UNKNOWN])
    def test_what_is_bad_is_raised_in_words(self, standing, level):
        standing(log=level, clocks=Level.WARNING, series=level)
        with pytest.raises(ServiceUnavailable, match=r"^Unavailable: log here: So it is\. series here: So it is\.$"):
            TimestampsHealth().run()

    def test_warnings_are_raised_where_they_are_asked_for(self, standing):
        standing(log=Level.OK, clocks=Level.WARNING)
        TimestampsHealth().run()
        with pytest.raises(ServiceWarning, match="clocks here"):
            TimestampsHealth(warnings=True).run()
        TimestampsHealth(checks=("log",), warnings=True).run()

    def test_only_the_checks_that_are_named_count(self, standing):
        standing(log=Level.CRITICAL, clocks=Level.OK)
        TimestampsHealth(checks=("clocks",)).run()
        with pytest.raises(ServiceUnavailable):
            TimestampsHealth(checks=("log",)).run()

    def test_a_check_without_a_subject_is_named_alone(self, monkeypatch):
        check = CheckResult(name="delivery", level=Level.CRITICAL, text="Nobody.")
        monkeypatch.setattr(checks, "read_health", lambda databases: Health(checks=(check,), checked_at=NOON))
        with pytest.raises(ServiceUnavailable, match="delivery: Nobody"):
            TimestampsHealth().run()

    def test_settings_that_cannot_be_used_are_told_of_without_their_text(self, settings):
        settings.CLEAN_TIMESTAMPS = {"ALERTS": {"secret": {}}}
        with pytest.raises(ServiceUnavailable) as caught:
            TimestampsHealth().run()
        assert "CLEAN_TIMESTAMPS" in str(caught.value)
        assert "secret" not in str(caught.value)

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_connections_are_left_as_they_were_found(self, committing):  # noqa: F811 - the fixture
        is_open = {}

        def run():
            connections["default"].ensure_connection()
            TimestampsHealth(checks=("database",)).run()
            is_open.update({each.alias: each.connection is not None for each in connections.all()})
            connections["default"].close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)
        assert is_open == {"default": True, "other": False}


class TestPage:
    def test_it_stands_on_the_page_of_the_project(self, committing):  # noqa: F811 - the fixture
        status, content = page(TimestampsReady, (TimestampsHealth, {"checks": ("database", "log")}))
        assert content == {
            "TimestampsReady()": "OK",
            "TimestampsHealth(checks=('database', 'log'), databases=None)": "OK",
        }
        assert status == 200

    def test_what_is_wrong_is_told_there_and_no_more(self, standing):
        standing(log=Level.CRITICAL)
        status, content = page(TimestampsHealth)
        assert status == 500
        assert list(content.values()) == ["Unavailable: log here: So it is."]
        assert "anna" not in json.dumps(content)

    def test_an_error_that_nobody_expected_is_not_shown(self, monkeypatch):
        def fail(databases):
            raise OperationalError("user anna")

        monkeypatch.setattr(checks, "read_health", fail)
        status, content = page(TimestampsHealth)
        assert status == 500
        assert "anna" not in json.dumps(content)


def test_they_show_nothing_secret():
    shown = {
        field.name for check in (TimestampsHealth, TimestampsReady) for field in dataclasses.fields(check) if field.repr
    }
    assert shown == {"checks", "databases"}
