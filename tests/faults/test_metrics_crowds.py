"""Many processes that observe at once: nothing is lost, nothing counted twice, and nobody waits for another one."""

import os
import random
import signal
import time

import pytest

from tests.faults.database_servers import PostgreSQL
from tests.faults.metric_figures import DAY, MINUTE, rolled_up, stored, stored_by_writer, totals
from tests.faults.metric_processes import Crowd
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("CHAOS_SECONDS", "2"))
PROCESSES = 8
KILLED = 4
"""How many of them at least, however slow the machine is."""
SERIES = 40


@pytest.fixture
def crowd(nursery, tmp_path):
    """Return a function that makes a crowd on a database; what it has started is killed at the end."""
    made = []

    def make(database, **environment):
        made.append(Crowd(nursery, database, tmp_path, environment))
        return made[-1]

    yield make
    for each in made:
        each.close()


def deadlocks(database):
    """Return how many there ever were, as the server counts them."""
    if isinstance(database.server, PostgreSQL):
        return database.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    [[_, count]] = database.query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
    return int(count)


def in_one_order(counter):
    return dict(sorted((names, count) for names, count in counter.items() if count))


def assert_summed_up(database):
    """Hold the totals and the rollups against the minutes, once all are closed."""
    expected = in_one_order(stored(database))
    assert in_one_order(totals(database)) == expected
    assert in_one_order(rolled_up(database, MINUTE)) == expected
    assert in_one_order(rolled_up(database, DAY)) == expected
    assert sum(rolled_up(database, DAY, with_sums=True).values()) == sum(expected.values())


@pytest.mark.parametrize("level", [None, "repeatable read"])
def test_eight_processes_that_write_forty_series_at_once_lose_and_double_nothing(server_database, crowd, level):
    before = deadlocks(server_database)
    processes = crowd(server_database, **({"FAULTS_ISOLATION": level} if level else {}))
    workers = [processes.observe() for _ in range(PROCESSES)]
    for worker in workers:
        worker.wait_until_ready()
    time.sleep(SECONDS)
    made = [worker.end() for worker in workers]
    assert len(stored(server_database)) == SERIES
    assert stored_by_writer(server_database) == {each.writer: each.made for each in processes.observed()}
    assert sum(stored(server_database).values()) == sum(made) > PROCESSES * SERIES
    assert processes.run("close_minutes") == "closed"
    assert_summed_up(server_database)
    assert deadlocks(server_database) == before
    assert "Metrics" not in processes.said(), processes.said()


def test_kill_9_loses_at_most_what_was_observed_since_the_last_flush(server_database, crowd):
    chance, before = random.Random("kill"), deadlocks(server_database)
    processes, killed = crowd(server_database), 0
    workers = [processes.observe().wait_until_ready() for _ in range(PROCESSES)]
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline or killed < KILLED:
        time.sleep(chance.uniform(0.1, 0.4))
        processes.strike(workers.pop(chance.randrange(PROCESSES)))
        killed += 1
        workers.append(processes.observe())
    for worker in workers:
        worker.wait_until_ready().end()
    # The transactions of the dead are gone.
    server_database.settle()
    found = stored_by_writer(server_database)
    for each in processes.observed():
        assert each.flushed <= found[each.writer] <= each.begun, each
    assert sum(each.begun - found[each.writer] > 0 for each in processes.observed()) <= killed
    processes.run("close_minutes")
    assert_summed_up(server_database)
    assert deadlocks(server_database) == before


@pytest.mark.parametrize(
    "points",
    [
        ["after UPDATE clean_timestamps_metriclease"],
        ["after INSERT INTO clean_timestamps_metrictotal"],
        ["after INSERT INTO clean_timestamps_metrictotal", "before COMMIT"],
        ["after INSERT INTO clean_timestamps_metrictotal", "after COMMIT"],
    ],
    ids=["leased", "totalled", "before_commit", "after_commit"],
)
def test_a_holder_of_the_lease_that_is_stopped_past_it_closes_no_minute_twice(server_database, crowd, points):
    # The transaction of one that is stopped is not waited for longer than that.
    processes = crowd(server_database, FAULTS_SETTINGS='{"LEASE_SECONDS": 1}')
    processes.run("observe", count=3 * SERIES)
    processes.run("observe", count=SERIES)
    processes.run("age_minutes", seconds=600)
    holder = processes.start("close_minutes", *points, hurried=False, ahead=0)
    holder.wait_until_stopped()
    assert processes.run("close_minutes", hurried=False, ahead=0) == "closed"
    assert sum(totals(server_database).values()) == 4 * SERIES
    holder.go_on()
    assert holder.result() != "closed"
    assert_summed_up(server_database)
    time.sleep(1)
    assert processes.run("close_minutes", hurried=False, ahead=0) == "closed"
    assert_summed_up(server_database)


def test_processes_that_are_stopped_past_the_lease_under_way_lose_and_double_nothing(server_database, crowd):
    processes = crowd(server_database, FAULTS_SETTINGS='{"LEASE_SECONDS": 1}')
    workers = [processes.observe().wait_until_ready() for _ in range(2)]
    holder = wait_until(lambda: owner(server_database), "somebody who has the lease")
    [number] = [place for place, each in enumerate(processes.observed()) if each.writer == holder]
    os.kill(workers[number].pid, signal.SIGSTOP)
    wait_until(lambda: owner(server_database) != holder, "another one who has the lease")
    workers[number].go_on()
    for worker in workers:
        worker.end()
    assert stored_by_writer(server_database) == {each.writer: each.made for each in processes.observed()}
    processes.run("close_minutes")
    assert_summed_up(server_database)


def owner(database):
    rows = database.query("SELECT owner FROM clean_timestamps_metriclease")
    return rows[0][0] if rows else 0


def test_a_writer_that_is_stopped_until_its_minute_is_closed_writes_into_another_one(postgresql, crowd):
    processes = crowd(postgresql)
    writer = processes.start("stop_before_writing", minute_seconds=1)
    writer.wait_until_stopped()
    # Six until the minute is closed.
    time.sleep(7)
    assert processes.run("close_minutes", ahead=0, minute_seconds=1) == "closed"
    writer.go_on()
    assert writer.result() == SERIES
    assert "TooLate" in writer.output.read_text()
    processes.run("close_minutes", minute_seconds=1)
    assert sum(stored(postgresql).values()) == SERIES
    assert_summed_up(postgresql)


def test_twenty_processes_hold_no_connection_between_their_flushes(server_database, crowd):
    processes = crowd(server_database)
    workers = [processes.start("wait_between_flushes") for _ in range(20)]
    for worker in workers:
        worker.wait_until_ready()
    wait_until(lambda: clients(server_database) == 0, "no connection")
    assert server_database.value("SELECT count(*) FROM clean_timestamps_metricwriter") == 20
    # All of them are alive.
    for worker in workers:
        os.kill(worker.pid, 0)
        worker.end()


def clients(database):
    """Return how many connections there are, without the one that asks."""
    if isinstance(database.server, PostgreSQL):
        return database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    return database.value(
        "SELECT count(*) FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()"
    )
