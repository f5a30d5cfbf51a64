"""The relay, a process that is meant to stay: it outlives what happens to its database."""

import contextlib
import json
import os
import signal
import time

import pytest

from tests.faults.databases import KILLED

pytestmark = pytest.mark.faults

WAIT_SECONDS = 30


@pytest.fixture
def relay():
    """Return a function that starts a relay on a database; whatever still runs is killed at the end."""
    started = []

    def start(database, **environment):
        command = ("django", "timestamps_relay", "--watch", "--interval=0.1")
        process = database.start_module(*command, environment=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until_sequenced(database, process):
    deadline = time.monotonic() + WAIT_SECONDS
    while database.pending():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the relay sequences nothing"
        time.sleep(0.05)


def end_well(process):
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, (output, errors)


def test_a_relay_goes_on_after_its_server_was_killed_and_started_again(server_database, relay):
    server_database.run("prepare")
    process = relay(server_database)
    wait_until_sequenced(server_database, process)
    for seed in range(2):
        server_database.server.kill()
        # Long enough for the relay to look for a server that is not there.
        time.sleep(1)
        server_database.server.start()
        server_database.run("write", count=14, seed=seed)
        wait_until_sequenced(server_database, process)
    end_well(process)
    assert server_database.judge().findings == []


def test_a_relay_goes_on_after_its_connection_was_cut(server_database, relay):
    server_database.run("prepare")
    process = relay(server_database)
    wait_until_sequenced(server_database, process)
    assert server_database.server.terminate_clients() > 0
    server_database.run("write", count=14)
    wait_until_sequenced(server_database, process)
    end_well(process)
    assert server_database.judge().findings == []


def test_a_relay_goes_on_after_the_file_was_locked_for_longer_than_it_waits(sqlite, relay):
    sqlite.timeout = 0.2
    process = relay(sqlite)
    sqlite.timeout = 60
    sqlite.run("prepare")
    wait_until_sequenced(sqlite, process)
    with contextlib.closing(sqlite.connect()) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        time.sleep(2)
        holder.execute("ROLLBACK")
    sqlite.run("write", count=14)
    wait_until_sequenced(sqlite, process)
    end_well(process)
    assert sqlite.judge().findings == []


def test_a_relay_that_was_killed_is_replaced_by_the_next(database, relay):
    database.run("prepare")
    first = relay(database)
    wait_until_sequenced(database, first)
    first.kill()
    database.run("write", count=14)
    assert database.pending() > 0
    wait_until_sequenced(database, relay(database))
    assert first.wait(WAIT_SECONDS) == KILLED
    assert database.judge().findings == []


def test_a_relay_that_was_stopped_in_a_pass_for_longer_than_a_lease_goes_on_when_it_wakes(server_database, relay):
    fault = {"points": ["after INSERT INTO clean_timestamps_event"], "action": "stop"}
    settings = {"LEASE_SECONDS": 1}
    server_database.run("prepare")
    process = relay(server_database, FAULT=json.dumps(fault), FAULTS_SETTINGS=json.dumps(settings))
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    # Another one does the work meanwhile.
    assert server_database.run("sequence") == 10
    process.send_signal(signal.SIGCONT)
    server_database.run("write", count=14)
    wait_until_sequenced(server_database, process)
    end_well(process)
    assert server_database.judge().findings == []
