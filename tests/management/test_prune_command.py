import pytest

from django_clean_timestamps.eventlog import retention
from django_clean_timestamps.eventlog.models import Event
from tests.eventlog.aged import add_aged, positions
from tests.eventlog.log import dropped
from tests.management.ears import Terminal

PRUNE = "timestamps_prune"
BOTH = pytest.mark.django_db(databases=["default", "other"])


@BOTH
def test_what_is_old_enough_goes_from_every_log(run):
    add_aged(40, 35, 0)
    add_aged(40, 0, using="other")
    done = run(PRUNE)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "default: 2 events deleted, recorded more than 30 days ago\n"
        "other: 1 events deleted, recorded more than 30 days ago\n"
    )
    assert positions() == [3]
    assert positions("other") == [2]


@BOTH
def test_the_age_can_be_given_in_days(run):
    add_aged(40, 2, 1, 0)
    assert run(PRUNE, "--older-than", "1.5").out.splitlines()[0] == (
        "default: 2 events deleted, recorded more than 1.5 days ago"
    )
    assert run(PRUNE, "--older-than=0", "--database=default").out == (
        "default: 1 events deleted, recorded more than 0 days ago\n"
    )


@BOTH
@pytest.mark.parametrize("days", ["-1", "nan", "inf", "soon", "1e30"])
def test_the_age_must_be_a_number_of_days(run, days):
    add_aged(40, 0)
    done = run(PRUNE, f"--older-than={days}")
    assert done.code == 1
    assert "is no number of days, 0 or more" in done.err
    assert positions() == [1, 2]


@BOTH
def test_a_dry_run_deletes_nothing(run):
    add_aged(40, 40, 0)
    done = run(PRUNE, "--dry-run", "--database", "default")
    assert done.out == "default: 2 events would be deleted, recorded more than 30 days ago\n"
    assert positions() == [1, 2, 3]


@BOTH
@pytest.mark.parametrize("dry_run", [True, False])
def test_the_keys_of_json(rows, dry_run):
    add_aged(40, 0)
    arguments = ["--dry-run"] if dry_run else []
    assert rows(PRUNE, "--database", "default", *arguments) == (
        0,
        [{"database": "default", "pruned": 1, "older_than_days": 30.0, "is_dry_run": dry_run, "error": None}],
    )


@BOTH
def test_progress_is_shown_on_a_terminal(run, monkeypatch):
    add_aged(40, 40, 40, 0)
    monkeypatch.setattr(retention.prune, "__kwdefaults__", {**retention.prune.__kwdefaults__, "batch_size": 2})
    done = run(PRUNE, "--database", "default", stderr=Terminal())
    assert done.err == "\rdefault: 2 events …\r\rdefault: 3 events …\r"


def test_a_bad_setting_is_named_without_a_traceback(run, settings):
    settings.CLEAN_TIMESTAMPS = {"RETENTION_DAYS": 0}
    done = run(PRUNE)
    assert done.code == 2
    assert "RETENTION_DAYS" in done.err


def test_missing_tables_are_wrong(committing, run):
    with dropped(Event):
        done = run(PRUNE, "--database", "default")
    assert done.code == 1
    assert done.err.startswith("default: The tables of the event log")


def test_a_database_that_cannot_be_asked_is_unknown(committing, rows, unreachable):
    code, found = rows(PRUNE)
    assert code == 2
    assert [row["database"] for row in found if row["error"]] == ["away"]
    assert found[-1]["pruned"] is None
