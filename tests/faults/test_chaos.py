"""Loops: whatever dies, each committed write is told of once, in order."""

import pytest

from tests.faults.loops import run_loop

pytestmark = pytest.mark.faults

LEVELS = [None, "read committed", "repeatable read"]


def test_killing_writers_and_sequencers_loses_doubles_and_reorders_nothing(database, tmp_path):
    levels = [None] if database.name == "sqlite" else LEVELS
    said = run_loop(f"kill -9 of processes, {database.name}", database, tmp_path, levels=levels)
    assert said["cycles"] > 3


def test_cutting_connections_under_load_loses_doubles_and_reorders_nothing(server_database, tmp_path):
    cut = []
    run_loop(
        f"connections cut, {server_database.name}",
        server_database,
        tmp_path,
        strike=lambda: cut.append(server_database.server.terminate_clients()),
        every=(0.05, 0.3),
        kills=False,
        levels=LEVELS,
    )
    assert sum(cut) > 0


def test_killing_the_server_under_load_loses_doubles_and_reorders_nothing(server_database, tmp_path):
    said = run_loop(
        f"kill -9 of the server, {server_database.name}",
        server_database,
        tmp_path,
        strike=server_database.server.restart,
        kills=False,
        levels=LEVELS,
    )
    assert sum(said["errors"].values()) > 0


def test_restarting_postgresql_immediately_under_load_loses_doubles_and_reorders_nothing(postgresql, tmp_path):
    said = run_loop(
        "immediate restart, postgresql",
        postgresql,
        tmp_path,
        strike=postgresql.server.restart_immediately,
        kills=False,
        levels=[*LEVELS, "serializable"],
    )
    assert sum(said["errors"].values()) > 0


def test_killing_processes_and_the_server_together_loses_doubles_and_reorders_nothing(server_database, tmp_path):
    run_loop(
        f"kill -9 of both, {server_database.name}",
        server_database,
        tmp_path,
        strike=server_database.server.restart,
        levels=LEVELS,
    )
