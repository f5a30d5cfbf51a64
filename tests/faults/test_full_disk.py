"""A disk that is full: a clear error, nothing half-done, and all goes on once there is room."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.faults.database_servers import MariaDB, PostgreSQL

pytestmark = pytest.mark.faults

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("limit", "message"),
    [({"pages": 6}, "database or disk is full"), ({"file_size": 24_000}, "disk I/O error")],
    ids=["database_is_full", "file_cannot_grow"],
)
def test_a_full_disk_under_sqlite_undoes_the_whole_transaction(sqlite, limit, message):
    sqlite.run("prepare")
    outcome = sqlite.run("fill", **limit)
    assert outcome["raised"]
    assert all(message in raised for raised in outcome["raised"].values()), outcome["raised"]
    assert outcome["usable"]
    verdict = sqlite.judge([(entity, number) for entity, number in outcome["committed"]])
    assert verdict.findings == []
    # What did not fit before did once there was room.
    assert verdict.entities > 200


def test_a_sequencer_without_room_under_sqlite_leaves_everything_pending(sqlite):
    sqlite.run("prepare")
    sqlite.run("write", count=100)
    pending = sqlite.pending()
    raised = sqlite.run("sequence_in_spite_of", pages=1)
    assert raised == "OperationalError: database or disk is full"
    assert sqlite.pending() == pending
    assert sqlite.value("SELECT count(*) FROM clean_timestamps_event") == 0
    assert sqlite.judge().findings == []


# What its files have at the start, and a little more.
@pytest.mark.parametrize(
    ("kind", "limit", "message"),
    [(PostgreSQL, 1 * MEGABYTE, "could not extend file"), (MariaDB, 14 * MEGABYTE, "is full")],
    ids=["postgresql", "mariadb"],
)
def test_files_that_cannot_grow_under_a_server_undo_the_whole_transaction(private_database, kind, limit, message):
    # A limit on the size of the server's files stands for the disk: it needs no rights.
    database = private_database(kind())
    database.run("prepare")
    database.server.stop()
    database.server.file_size_limit = limit
    database.server.start()
    outcome = database.run("fill_server")
    assert message in outcome["raised"]
    assert message in (outcome["sequencing"] or message)
    database.server.stop()
    database.server.file_size_limit = None
    database.server.start()
    verdict = database.judge((entity, number) for entity, number in outcome["committed"])
    assert verdict.findings == []
    assert verdict.events > 1_000
    database.run("write", count=14)
    assert database.judge().findings == []


@pytest.fixture
def small_disk():
    """Return a folder on a file system of 128 MB; only root may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    try:
        if not mounted:
            pytest.skip("no small file system can be mounted here; the limits on the size of files are tested")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB])
def test_a_full_disk_under_a_server_loses_nothing_that_was_committed(small_disk, private_database, kind):
    database = private_database(kind(folder=small_disk))
    database.run("prepare")
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - 2 * MEGABYTE)
    outcome = database.run("fill_server")
    assert outcome["raised"]
    filler.unlink()
    # PostgreSQL may have stopped itself, where its log found no room.
    with contextlib.suppress(AssertionError):
        database.server.kill()
    database.server.start()
    verdict = database.judge((entity, number) for entity, number in outcome["committed"])
    assert verdict.findings == []
    database.run("write", count=14)
    assert database.judge().findings == []
