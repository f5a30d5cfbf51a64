"""SQLite, which lets one write at a time: whoever works there sees nothing of the metrics, and they arrive."""

import json
import os

import pytest

from tests.faults.metric_figures import DAY, rolled_up, stored, stored_by_writer, totals
from tests.faults.metric_processes import Crowd

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("CHAOS_SECONDS", "2"))
PROCESSES = 3
CREATED = ("faults.counter", "create")


@pytest.fixture
def crowd(nursery, sqlite, tmp_path):
    """Return a function that makes a crowd on the database; what it has started is killed at the end."""
    made = []

    def make(**environment):
        made.append(Crowd(nursery, sqlite, tmp_path, environment))
        return made[-1]

    yield make
    for each in made:
        each.close()


def serve(processes, **arguments):
    """Let some processes serve requests, and return what each of them says."""
    workers = [processes.start("serve_requests", seconds=SECONDS, **arguments) for _ in range(PROCESSES)]
    said = [worker.result(seconds=120) for worker in workers]
    assert "Metrics" not in processes.said(), processes.said()
    return said


def assert_arrived(database, processes, said):
    made = sum(each["made"] for each in said)
    assert made > 0
    assert stored(database)[CREATED] == made == database.value("SELECT count(*) FROM faults_counter")
    assert len(stored_by_writer(database)) == PROCESSES
    processes.run("close_minutes")
    assert totals(database)[CREATED] == rolled_up(database, DAY)[CREATED] == made


@pytest.mark.parametrize("log", [False, True], ids=["journal", "write_ahead_log"])
@pytest.mark.parametrize(("mode", "way"), [("IMMEDIATE", "read"), (None, "write")])
def test_an_application_that_is_never_refused_by_itself_is_not_refused_by_the_metrics(sqlite, crowd, mode, way, log):
    sqlite.mode = mode
    processes = crowd()
    if log:
        processes.run("use_write_ahead_log")
    said = serve(processes, way=way)
    assert [each["errors"] for each in said] == [[]] * PROCESSES
    assert_arrived(sqlite, processes, said)


def test_a_transaction_that_reads_before_it_writes_is_not_refused_by_the_metrics_of_another_process(
    sqlite, crowd, tmp_path
):
    # SQLite refuses such a one at once where anybody else writes; a lock of the application's own prevents that.
    sqlite.mode = None
    processes = crowd()
    said = serve(processes, way="read", lock=str(tmp_path / "lock"), flush_seconds=0.05)
    assert [each["errors"] for each in said] == [[]] * PROCESSES
    assert_arrived(sqlite, processes, said)


def test_with_a_write_ahead_log_a_file_of_their_own_keeps_the_metrics_out_of_the_way(
    migrated_file, sqlite, crowd, tmp_path
):
    # In the same file another process's write, whoever's, refuses what has read before.
    sqlite.mode = None
    metrics = migrated_file.copy(tmp_path / "metrics.sqlite3")
    processes = crowd(
        FAULTS_METRICS_DATABASE=json.dumps(metrics.settings),
        FAULTS_SETTINGS=json.dumps({"METRICS_DATABASE": "metrics"}),
    )
    processes.run("use_write_ahead_log")
    said = serve(processes, way="read", lock=str(tmp_path / "lock"), flush_seconds=0.05)
    assert [each["errors"] for each in said] == [[]] * PROCESSES
    made = sum(each["made"] for each in said)
    assert stored(metrics)[CREATED] == made == sqlite.value("SELECT count(*) FROM faults_counter")
    assert not stored(sqlite)
