"""What writers and the database do while workers deliver: late commits, savepoints, locks, outages."""

import contextlib
import time

import pytest

from tests.faults.loops import SECONDS
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

EFFECT = "INSERT INTO faults_effect"
SUBSCRIPTION = "UPDATE clean_timestamps_subscription"
LATE_SECONDS = 30 if SECONDS > 30 else 2
LOCKED_SECONDS = 10


def test_a_transaction_that_commits_late_is_delivered_behind_those_that_overtook_it(server_database, delivery_on):
    delivery = delivery_on(server_database)
    delivery.begin()
    key = server_database.value("SELECT max(id) FROM faults_counter WHERE flock = 0")
    worker = delivery.start()
    late = delivery.start("commit_late", key=key, seconds=LATE_SECONDS)
    wait_until(lambda: late.output.exists() and "open" in late.output.read_text(), "a transaction that is open")
    before = delivery.effect_count()
    # It was the first to write an event, and is not waited for.
    delivery.run("write", count=1)
    wait_until(lambda: delivery.effect_count() > before, "an event that was committed later")
    late.result()
    wait_until(lambda: (str(key), 3) in [(each.entity, each.number) for each in delivery.effects()], "the late one")
    worker.end()
    delivery.deliver_all()
    assert delivery.judge().findings == []


def test_a_transaction_that_commits_late_under_sqlite_holds_all_up_and_is_delivered(sqlite, delivery_on):
    delivery = delivery_on(sqlite)
    delivery.begin()
    worker = delivery.start()
    delivery.run(
        "commit_late", key=sqlite.value("SELECT max(id) FROM faults_counter WHERE flock = 0"), seconds=LATE_SECONDS
    )
    delivery.run("write", count=14)
    delivery.deliver_all()
    worker.end()
    assert delivery.judge().findings == []


def test_what_nested_savepoints_took_back_is_not_delivered(delivery):
    delivery.begin()
    key = delivery.database.value("SELECT min(id) FROM faults_counter")
    before = delivery.effect_count()
    number = delivery.run("roll_back_savepoints", key=key)
    assert number > 10
    delivery.deliver_all()
    assert delivery.effect_count() == before + number - 1
    assert delivery.judge().findings == []


def test_a_worker_goes_on_after_sqlite_was_locked_by_another_process_for_longer_than_it_waits(sqlite, delivery_on):
    delivery = delivery_on(sqlite)
    delivery.begin()
    sqlite.timeout = 0.2
    worker = delivery.start().wait_until_ready()
    sqlite.timeout = 60
    delivery.run("write", count=14)
    with contextlib.closing(sqlite.connect()) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCKED_SECONDS)
        holder.execute("ROLLBACK")
    delivery.run("write", count=14, seed=1)
    wait_until(lambda: not sqlite.pending() and delivery.subscription("cursor") == head(sqlite), "everything delivered")
    said = worker.end()
    assert any("database is locked" in error for error in said["errors"])
    # Nobody but the lock was to blame.
    assert delivery.parked() == []
    assert delivery.judge().findings == []


def head(database):
    return database.value("SELECT position FROM clean_timestamps_loghead")


@pytest.mark.parametrize(
    "points",
    [[f"after {EFFECT}"], [f"after {EFFECT}", f"after {SUBSCRIPTION}", "before COMMIT"]],
    ids=["inside_the_handler", "at_commit"],
)
@pytest.mark.parametrize("strike", ["cut_off", "restarted", "down_for_a_while"])
def test_a_server_that_leaves_a_worker_in_a_batch_is_to_blame_and_no_event_is(
    server_database, delivery_on, points, strike
):
    delivery = delivery_on(server_database, {"name": "ledger", "is_tallied": True}, LEASE_SECONDS=60)
    delivery.begin()
    delivery.run("write", count=14)
    worker = delivery.start("drain_again_and_again", *points, action="stop")
    worker.wait_until_stopped()
    server = server_database.server
    {"cut_off": server.terminate_clients, "restarted": server.restart, "down_for_a_while": server.kill}[strike]()
    worker.go_on()
    if strike == "down_for_a_while":
        wait_until(lambda: "could not be delivered" in worker.output.read_text(), "a worker that finds no server")
        server.start()
    delivery.wait_until_delivered()
    worker.end()
    assert "failed on" not in worker.output.read_text()
    assert delivery.parked() == []
    assert delivery.judge().findings == []
