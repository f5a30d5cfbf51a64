from datetime import timedelta

import pytest

from django_clean_timestamps.eventlog import status as status_module
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.status import LogStatus
from django_clean_timestamps.management.ages import in_words
from django_clean_timestamps.management.commands.timestamps_status import Command, _log_lines
from tests.eventlog.aged import add_aged
from tests.eventlog.log import add_pending, dropped

STATUS = "timestamps_status"
KEYS = {
    "database",
    "missing_tables",
    "pending_count",
    "has_more_pending",
    "oldest_pending_age_seconds",
    "head",
    "sequenced_at",
    "sequenced_age_seconds",
    "oldest_position",
    "oldest_age_seconds",
    "oldest_transaction_age_seconds",
    "is_oldest_transaction_known",
    "is_stalled",
    "subscriptions",
    "unborn",
    "dead",
    "findings",
    "is_well",
    "error",
}


@pytest.mark.django_db(databases=["default", "other"])
class TestText:
    def test_an_empty_log(self, run):
        done = run(STATUS, "--database", "default")
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert lines[:5] == [
            "default",
            "  pending             0",
            "  head                0",
            "  last pass           none yet",
            "  oldest retained     none",
        ]
        assert lines[5].startswith("  oldest transaction  ")
        assert len(lines) == 6

    def test_a_log_in_use(self, run):
        add_aged(3, 0)
        LogHead.objects.update(position=1_002)
        add_pending(1, recorded_at=database_now("default") - timedelta(seconds=125))
        lines = run(STATUS, "--database", "default").out.splitlines()
        assert lines[1:3] == ["  pending             1, the oldest for 2 minutes", "  head                1,002"]
        assert lines[3].endswith(" ago")
        assert " UTC, " in lines[3]
        assert lines[4] == "  oldest retained     1, recorded 3 days ago"

    def test_the_log_of_each_database_is_shown(self, run):
        assert [line for line in run(STATUS).out.splitlines() if not line.startswith(" ")] == ["default", "other"]

    def test_a_log_that_nobody_sequences_is_wrong(self, run):
        add_pending(1, recorded_at=database_now("default") - timedelta(days=2))
        done = run(STATUS, "--database", "default")
        assert done.code == 1
        assert done.out.splitlines()[-1].startswith(
            "  Nobody has sequenced for a day. Run 'manage.py timestamps_relay'"
        )


@pytest.mark.parametrize(
    ("age", "known", "text"),
    [
        (None, True, "none open"),
        (7.5, True, "open for 7 seconds"),
        (None, False, "unknown"),
        (3_600, False, "open for 1 hour, of those that may be seen"),
    ],
)
def test_what_is_known_of_the_oldest_transaction_is_told(age, known, text):
    status = LogStatus(using="default", oldest_transaction_age_seconds=age, is_oldest_transaction_known=known)
    assert f"oldest transaction  {text}" in list(_log_lines(status))


def test_more_than_can_be_counted_is_told():
    status = LogStatus(using="default", pending_count=status_module.COUNT_LIMIT, oldest_pending_age_seconds=1.0)
    assert next(iter(_log_lines(status))) == "pending             10,000 or more, the oldest for 1 second"


def test_missing_tables_are_wrong_and_named(committing, run):
    with dropped(Event, Pending):
        done = run(STATUS, "--database", "default")
    assert done.code == 1
    assert done.out.splitlines() == [
        "default",
        "  missing tables      clean_timestamps_pending, clean_timestamps_event",
        "  Run 'manage.py migrate clean_timestamps --database default'.",
    ]


def test_a_database_that_cannot_be_asked_is_unknown(committing, run, rows, unreachable):
    done = run(STATUS)
    assert done.code == 2
    assert done.err.startswith("away: ")
    assert "default\n" in done.out
    code, found = rows(STATUS)
    assert code == 2
    assert found[-1].keys() == KEYS
    assert found[-1]["is_well"] is None
    assert found[-1]["error"]


@pytest.mark.django_db
def test_the_keys_of_json(rows):
    add_aged(3, 0)
    code, (row,) = rows(STATUS, "--database", "default")
    assert code == 0
    assert row.keys() == KEYS
    assert row["database"] == "default"
    assert row["head"] == 2
    assert row["sequenced_at"].endswith("+00:00")
    assert row["missing_tables"] == []
    assert row["is_well"] is True
    assert row["error"] is None


@pytest.mark.django_db(databases=["default", "other"])
def test_a_database_without_entities_is_left_out(rows, only_default):
    assert [row["database"] for row in rows(STATUS)[1]] == ["default"]


def test_a_replica_has_a_status_too():
    assert Command.writes is False


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (7_300, "2 hours"),
        (86_400 * 1_500, "1,500 days"),
    ],
)
def test_an_age_in_words(seconds, words):
    assert in_words(seconds) == words
