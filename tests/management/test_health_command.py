"""What timestamps_health tells, and how it ends."""

import json

import pytest
from django.db import OperationalError

from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.management.commands import timestamps_health
from django_clean_timestamps.metrics.health.values import CheckResult, Health, Level
from tests.eventlog.log import dropped
from tests.management.project import Project
from tests.metrics.health.standing import NOON

HEALTH = "timestamps_health"
KEYS = {"name", "subject", "level", "text", "remedy", "figures", "checked_at", "detail"}


@pytest.fixture
def standing(monkeypatch):
    """Return what sets the levels that are found, and the list of what was asked for."""
    asked = []

    def stand(*levels):
        checks = tuple(
            CheckResult(
                name="log",
                subject="default",
                level=level,
                text="So it is.",
                remedy="Mend it.",
                detail="Said.",
                checked_at=NOON,
            )
            for level in levels
        )
        monkeypatch.setattr(
            timestamps_health,
            "read_health",
            lambda databases: asked.append(databases) or Health(checks=checks, checked_at=NOON),
        )
        return asked

    return stand


@pytest.mark.parametrize(
    ("levels", "code"),
    [
        ([Level.OK, Level.OK], 0),
        ([Level.OK, Level.WARNING], 1),
        ([Level.WARNING, Level.CRITICAL], 1),
        ([Level.CRITICAL, Level.UNKNOWN], 2),
    ],
)
def test_it_ends_as_the_worst_has_it(run, standing, levels, code):
    standing(*levels)
    assert run(HEALTH).code == code


def test_each_check_is_a_line_and_those_that_are_not_well_say_what_to_do(run, standing):
    standing(Level.OK, Level.CRITICAL)
    done = run(HEALTH)
    assert done.err == ""
    assert done.out.splitlines() == [
        "ok        log default: So it is.",
        "critical  log default: So it is.",
        "          Said.",
        "          Mend it.",
        "critical  in all",
    ]


def test_the_keys_of_json(run, standing):
    standing(Level.OK)
    done = run(HEALTH, "--format", "json")
    found = json.loads(done.out)
    assert found.keys() == {"level", "checked_at", "evaluation_age_seconds", "checks"}
    assert found["checks"][0].keys() == KEYS
    assert (done.code, found["level"], found["checks"][0]["detail"]) == (0, "ok", "Said.")


def test_all_databases_are_asked_unless_some_are_named(run, standing):
    asked = standing(Level.OK)
    run(HEALTH)
    run(HEALTH, "--database", "other", "--database", "other")
    assert asked == [None, ("other",)]


def test_a_database_that_is_not_there_is_refused(run, standing):
    standing(Level.OK)
    done = run(HEALTH, "--database", "nowhere")
    assert done.code == 2
    assert "There is no database 'nowhere'" in done.err


def test_settings_that_cannot_be_used_are_refused(run, settings):
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"none": {}}}
    done = run(HEALTH)
    assert done.code == 2
    assert "ALERTS" in done.err


def test_tables_that_are_missing_are_wrong_and_named(committing, run):
    with dropped(Event):
        done = run(HEALTH, "--database", "default")
    assert done.code == 1
    assert "critical  log default: Tables are missing: clean_timestamps_event." in done.out
    assert "Run 'manage.py migrate clean_timestamps --database default'." in done.out


def test_a_database_that_is_down_is_named_and_the_others_are_told_of(committing, run, unreachable):
    done = run(HEALTH)
    assert done.code == 2
    assert "critical  database away: It cannot be reached: OperationalError." in done.out
    assert "unknown   log away: Not known, since the database does not answer." in done.out
    assert "ok        log default: " in done.out


def test_what_an_error_said_is_shown_here(run, monkeypatch, committing):
    def fail(alias):
        raise OperationalError("connection of anna lost")

    monkeypatch.setattr("django_clean_timestamps.metrics.health.reading.read_status", fail)
    done = run(HEALTH, "--database", "default")
    assert done.code == 2
    assert "          OperationalError: connection of anna lost" in done.out.splitlines()


@pytest.mark.sqlite
class TestFreshProject:
    """In processes of their own, on a file."""

    @pytest.fixture
    def project(self, tmp_path):
        project = Project(tmp_path)
        assert project.run("migrate", "-v0", "--skip-checks") == (0, "", "")
        return project

    def test_it_is_well_after_a_first_relay(self, project):
        project.add_pending()
        code, out, err = project.run(HEALTH)
        assert (code, err) == (1, "")
        assert "warning   collector: Nothing was collected yet. No process lives." in out
        assert project.run("timestamps_relay", "--once")[0] == 0
        code, out, err = project.run(HEALTH)
        assert (code, err) == (0, ""), out
        assert "ok        delivery: Living processes: 1 relay. Nothing waits." in out
        assert out.splitlines()[-1] == "ok        in all"

    def test_it_is_well_without_metrics_too(self, project):
        with (project.directory / "project_settings.py").open("a") as settings:
            settings.write('CLEAN_TIMESTAMPS["METRICS"] = False\n')
        assert project.run("timestamps_relay", "--once")[0] == 0
        code, out, err = project.run(HEALTH)
        assert (code, err) == (0, ""), out
        assert "collector" not in out

    def test_one_that_was_never_migrated_is_told_to(self, tmp_path):
        code, out, err = Project(tmp_path).run(HEALTH)
        assert (code, err) == (1, "")
        assert "critical  log: No database holds a log, nor the table of an entity." in out
        assert "Run 'manage.py migrate'." in out

    def test_one_whose_file_is_no_database_is_told_so(self, project):
        project.file.write_text("no database at all, but a text of some length")
        code, out, err = project.run(HEALTH)
        assert (code, err) == (2, "")
        assert "critical  database default: It cannot be reached: DatabaseError." in out
        assert "DatabaseError: file is not a database" in out
