"""Loops: whatever dies, each committed write is delivered once, in order."""

import random

import pytest

from tests.faults.loops import run_delivery_loop

pytestmark = pytest.mark.faults

HANDLERS = [{"name": "ledger", "is_tallied": True}, {"name": "halves", "options": {"shards": 2}}]
# They die by chance here, and often enough at the same event.
NEVER_DEADLY = {"CRASH_LIMIT": 30_000}


def test_killing_writers_and_workers_loses_doubles_and_reorders_no_delivery(database, delivery_on):
    delivery = delivery_on(database, *HANDLERS, **NEVER_DEADLY)
    said = run_delivery_loop(f"delivery, kill -9 of processes, {database.name}", delivery)
    assert said["cycles"] > 3


def test_cutting_connections_under_load_loses_doubles_and_reorders_no_delivery(server_database, delivery_on):
    cut = []
    run_delivery_loop(
        f"delivery, connections cut, {server_database.name}",
        delivery_on(server_database, *HANDLERS),
        strike=lambda: cut.append(server_database.server.terminate_clients()),
        every=(0.05, 0.3),
        kills=False,
    )
    assert sum(cut) > 0


def test_restarting_postgresql_immediately_under_load_loses_doubles_and_reorders_no_delivery(postgresql, delivery_on):
    said = run_delivery_loop(
        "delivery, immediate restart, postgresql",
        delivery_on(postgresql, *HANDLERS),
        strike=postgresql.server.restart_immediately,
        kills=False,
    )
    assert sum(said["errors"].values()) > 0


def test_killing_mariadb_under_load_loses_doubles_and_reorders_no_delivery(mariadb, delivery_on):
    said = run_delivery_loop(
        "delivery, kill -9 of the server, mariadb",
        delivery_on(mariadb, *HANDLERS),
        strike=mariadb.server.restart,
        kills=False,
    )
    assert sum(said["errors"].values()) > 0


@pytest.mark.parametrize("kills", [False, True], ids=["while_all_live", "while_they_are_killed"])
def test_changing_the_number_of_shards_under_load_loses_doubles_and_reorders_no_delivery(database, delivery_on, kills):
    delivery = delivery_on(database, *HANDLERS, **NEVER_DEADLY)
    chance = random.Random(database.name)
    run_delivery_loop(
        f"delivery, {'kill -9 and ' if kills else ''}new shards, {database.name}",
        delivery,
        strike=lambda: delivery.run("reshard", count=chance.randint(1, 6)),
        kills=kills,
    )
    assert delivery.run("reshard", count=4)
    delivery.deliver_all()
    assert database.value("SELECT count(*) FROM clean_timestamps_subscription WHERE handler = 'ledger'") == 4
