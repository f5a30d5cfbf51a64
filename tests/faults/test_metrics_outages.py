"""The metrics' database is out of reach: work goes on, and what was observed meanwhile arrives later."""

import json

import pytest

from tests.faults.database_servers import MariaDB, PostgreSQL
from tests.faults.metric_figures import stored
from tests.faults.metric_processes import Crowd
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

CREATED = ("faults.counter", "create")
WARNING = "Metrics could not be written"
SAVES = 30


@pytest.fixture(params=[PostgreSQL, MariaDB])
def metrics(request, private_database):
    """Return the database of a server that nobody else uses."""
    return private_database(request.param())


@pytest.fixture
def saver(nursery, sqlite, tmp_path, metrics):
    """Return a process that saves into a database of its own all the time."""
    crowd = Crowd(
        nursery,
        sqlite,
        tmp_path,
        {
            "FAULTS_METRICS_DATABASE": json.dumps(metrics.settings),
            "FAULTS_SETTINGS": json.dumps({"METRICS_DATABASE": "metrics"}),
        },
    )
    yield crowd.start("save_until_told")
    crowd.close()


def saves(saver):
    """Return how many it has made."""
    if not saver.output.exists():
        return 0
    return max((int(line) for line in saver.output.read_text().splitlines() if line.isdigit()), default=0)


def let_save(saver):
    """Return once it has made some more."""
    before = saves(saver)
    wait_until(lambda: saves(saver) >= before + SAVES, "more saves")


def warnings(saver):
    return [line for line in saver.output.read_text().splitlines() if line.startswith(WARNING)]


def arrived(database):
    return stored(database)[CREATED]


def test_a_server_that_is_down_is_told_of_and_everything_arrives_when_it_is_back(metrics, saver):
    wait_until(lambda: arrived(metrics), "the first figures")
    metrics.server.stop()
    let_save(saver)
    wait_until(lambda: warnings(saver), "word of it")
    let_save(saver)
    assert len(warnings(saver)) == 1, warnings(saver)
    metrics.server.start()
    made = saves(saver)
    wait_until(lambda: arrived(metrics) >= made, "what was observed meanwhile")
    said = saver.end()
    assert arrived(metrics) == said["made"]


def test_a_server_that_answers_nobody_holds_up_neither_the_work_nor_its_end(metrics, saver):
    wait_until(lambda: arrived(metrics), "the first figures")
    metrics.server.freeze()
    try:
        let_save(saver)
        let_save(saver)
        said = saver.end()
    finally:
        metrics.server.thaw()
    assert said["made"] > 2 * SAVES


def test_tables_that_are_missing_are_told_of_once_and_filled_when_they_are_there(metrics, saver):
    wait_until(lambda: arrived(metrics), "the first figures")
    metrics.query("ALTER TABLE clean_timestamps_metricminute RENAME TO hidden")
    let_save(saver)
    wait_until(lambda: warnings(saver), "word of it")
    [told] = warnings(saver)
    assert "clean_timestamps_metricminute" in told
    let_save(saver)
    assert len(warnings(saver)) == 1
    metrics.query("ALTER TABLE hidden RENAME TO clean_timestamps_metricminute")
    made = saves(saver)
    wait_until(lambda: arrived(metrics) >= made, "what was observed meanwhile")
    said = saver.end()
    assert arrived(metrics) == said["made"]


def test_a_file_that_is_no_database_is_no_error_of_the_request(nursery, sqlite, tmp_path):
    file = tmp_path / "metrics.sqlite3"
    file.write_bytes(b"something else" * 1_000)
    crowd = Crowd(
        nursery,
        sqlite,
        tmp_path,
        {
            "FAULTS_METRICS_DATABASE": json.dumps({**sqlite.settings, "NAME": str(file)}),
            "FAULTS_SETTINGS": json.dumps({"METRICS_DATABASE": "metrics"}),
        },
    )
    try:
        worker = crowd.start("serve_requests", seconds=1, way="write", flush_seconds=0.05)
        said = worker.result()
    finally:
        crowd.close()
    assert said["errors"] == []
    assert said["made"] > 0
    [told] = warnings(worker)
    assert "file is not a database" in told
