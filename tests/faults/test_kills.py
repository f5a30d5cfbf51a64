"""Processes that are killed or stopped at an exact point: row and event are both there, or neither is."""

import os
import signal
import time

import pytest

from tests.faults.databases import KILLED, difference

pytestmark = pytest.mark.faults

FLUSH = "INSERT INTO clean_timestamps_pending"
TAKE = "INSERT INTO clean_timestamps_event"
REMOVE = "DELETE FROM clean_timestamps_pending"
CUT = {"postgresql": "terminating connection due to idle-in-transaction timeout", "mariadb": "gone away"}


@pytest.mark.parametrize(
    "points",
    [[f"before {FLUSH}"], [f"after {FLUSH}"], [f"after {FLUSH}", "before COMMIT"]],
    ids=["before_the_flush", "after_the_flush", "before_commit"],
)
def test_a_writer_that_is_killed_before_commit_leaves_neither_row_nor_event(database, points):
    database.run("prepare")
    before = database.everything()
    ends = database.run("be_killed", points=points)
    assert len(ends) == 8
    assert set(ends.values()) == {KILLED}, ends
    assert difference(before, database.everything()) == {}
    verdict = database.judge()
    assert verdict.findings == []
    assert verdict.events == verdict.entities == 10


def test_a_writer_that_is_killed_after_commit_leaves_row_and_event(database):
    database.run("prepare")
    ends = database.run("be_killed", points=[f"after {FLUSH}", "after COMMIT"])
    assert set(ends.values()) == {KILLED}, ends
    verdict = database.judge()
    assert verdict.findings == []
    # As many as the eight ways of writing make, of which the chosen counters differ.
    assert verdict.entities == 13
    assert verdict.events > 13 + 6 * 3


def test_events_that_were_written_early_vanish_with_their_process(database):
    database.run("prepare")
    before = database.everything()
    assert database.run("be_killed_between_early_writes") == KILLED
    assert difference(before, database.everything()) == {}


@pytest.mark.parametrize(
    "points",
    [
        [f"before {TAKE}"],
        [f"after {TAKE}"],
        [f"before {REMOVE}"],
        [f"after {REMOVE}"],
        [f"after {REMOVE}", "before COMMIT"],
    ],
    ids=["before_the_insert", "after_the_insert", "before_the_delete", "after_the_delete", "before_commit"],
)
def test_a_sequencer_that_is_killed_in_its_pass_leaves_everything_pending(database, points):
    database.run("prepare")
    database.run("write", count=14)
    database.run("sequence")
    database.run("write", count=14, seed=1)
    before = database.everything()
    assert database.pending() > 20
    database.run_to_death("sequence", *points)
    assert difference(before, database.everything()) == {}
    assert database.judge().findings == []


def test_a_sequencer_that_is_killed_after_its_commit_has_moved_everything(database):
    database.run("prepare")
    database.run("write", count=14)
    written = database.pending()
    database.run_to_death("sequence", f"after {REMOVE}", "after COMMIT")
    assert database.pending() == 0
    assert database.value("SELECT count(*) FROM clean_timestamps_event") == written
    assert database.judge().findings == []


def test_a_killed_sequencer_holds_up_neither_writers_nor_its_successor(database):
    database.run("prepare")
    database.run("write", count=14)
    database.run_to_death("sequence", f"after {TAKE}")
    # At once: nothing waits for a lock that nobody holds any more.
    assert database.run("write", count=14, seed=1) == 14
    assert database.run("sequence") > 0
    assert database.judge().findings == []


@pytest.mark.parametrize(
    "points", [[f"after {TAKE}"], [f"after {REMOVE}", "before COMMIT"]], ids=["midway", "at_commit"]
)
def test_a_stopped_sequencer_holds_up_its_successor_for_a_lease_and_commits_nothing_when_it_wakes(
    server_database, points
):
    server_database.run("prepare")
    started = time.monotonic()
    server_database.run("sequence")
    usual = time.monotonic() - started
    server_database.run("write", count=14)
    pending = server_database.pending()
    stopped = server_database.start_with_fault("sequence", *points, action="stop", settings={"LEASE_SECONDS": 2})
    try:
        assert os.WIFSTOPPED(os.waitpid(stopped.pid, os.WUNTRACED)[1])
        started = time.monotonic()
        assert server_database.run("sequence") == pending
        waited = time.monotonic() - started
        # It was held up, so the stopped one had the head; and no longer than that one's lease and the time of a start.
        assert 0.5 < waited < usual + 5
        server_database.run("write", count=14, seed=1)
    finally:
        stopped.send_signal(signal.SIGCONT)
    output, errors = stopped.communicate(timeout=30)
    assert stopped.returncode == 1, output
    assert CUT[server_database.name] in errors
    assert server_database.judge().findings == []
