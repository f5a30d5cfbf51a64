"""SQLite's one write lock, held by somebody else."""

import contextlib
import time

import pytest

from tests.faults.databases import difference

pytestmark = pytest.mark.faults

LOCKED_SECONDS = 10
WAYS = 3


def test_who_waits_long_enough_goes_on_after_ten_seconds_and_who_does_not_has_written_nothing(sqlite):
    sqlite.run("prepare")
    before = sqlite.everything()
    with contextlib.closing(sqlite.connect()) as holder:
        holder.execute("BEGIN IMMEDIATE")
        locked_at = time.monotonic()
        sqlite.timeout = 60
        patient = sqlite.start("write_in_spite_of", ways=["save_several"])
        assert patient.stdout.readline() == "ready\n"
        sqlite.timeout = 0.3
        hasty = sqlite.run("write_in_spite_of")
        assert len(hasty) == WAYS
        for outcome in hasty.values():
            assert outcome["raised"] == "OperationalError: database is locked"
            assert outcome["seconds"] < LOCKED_SECONDS / 2
        assert difference(before, sqlite.everything()) == {}
        time.sleep(max(0, locked_at + LOCKED_SECONDS - time.monotonic()))
        assert patient.poll() is None
        holder.execute("ROLLBACK")
    [outcome] = sqlite.result(patient).values()
    assert outcome["raised"] is None
    assert outcome["seconds"] > LOCKED_SECONDS - 2
    sqlite.timeout = 60
    assert sqlite.judge().findings == []
    # Three or more counters saved once, the first of them twice.
    assert len(sqlite.state().events) >= 10 + 3


@pytest.mark.parametrize("mode", ["IMMEDIATE", None])
def test_a_commit_that_a_reader_holds_up_fails_with_row_and_event(sqlite, mode):
    sqlite.run("prepare")
    before = sqlite.everything()
    sqlite.timeout, sqlite.mode = 0.3, mode
    with contextlib.closing(sqlite.connect()) as reader:
        # In SQLite's default journal mode a reader lets others write until they commit.
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM faults_counter").fetchone()
        outcomes = sqlite.run("write_in_spite_of")
        assert {outcome["raised"] for outcome in outcomes.values()} == {"OperationalError: database is locked"}
        assert len(outcomes) == WAYS
        reader.execute("ROLLBACK")
    assert difference(before, sqlite.everything()) == {}
    # The same in one process: the connection that failed goes on.
    with contextlib.closing(sqlite.connect()) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM faults_counter").fetchone()
        process = sqlite.start("retry_until_written")
        assert process.stdout.readline() == "failed\n"
        reader.execute("ROLLBACK")
    assert sqlite.result(process) > 0
    sqlite.timeout = 60
    assert sqlite.judge().findings == []


def test_a_sequencer_that_finds_the_database_locked_leaves_everything_pending(sqlite):
    sqlite.run("prepare")
    before = sqlite.everything()
    sqlite.timeout = 0.3
    with contextlib.closing(sqlite.connect()) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert sqlite.run("sequence_in_spite_of") == "OperationalError: database is locked"
        holder.execute("ROLLBACK")
    assert difference(before, sqlite.everything()) == {}
    assert sqlite.judge().findings == []
