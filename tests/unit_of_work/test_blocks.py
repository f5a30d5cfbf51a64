"""The block around a single write, and units side by side in threads and processes."""

import os
import threading
import traceback

import pytest
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.unit_of_work import get_unit, write_block
from tests.unit_of_work.written import rolled_back, save, titles, written

pytestmark = pytest.mark.usefixtures("writer")


def begins(queries):
    return [query["sql"] for query in queries if query["sql"].startswith("BEGIN")]


def open_block(using):
    """Open a block of one's own and return what it sent to begin."""
    with CaptureQueriesContext(connections[using]) as queries, write_block(using):
        pass
    return begins(queries)


def test_a_block_gives_its_connection(using):
    with write_block(using) as block:
        assert block.connection is connections[using]
        assert connections[using].in_atomic_block
    assert not connections[using].in_atomic_block


def test_a_block_that_fails_rolls_back(using, observer):
    def work():
        with write_block(using):
            save("a", using)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    assert titles(observer) == written(observer) == []


def test_a_block_that_fails_inside_another_breaks_that_one(using, observer):
    with transaction.atomic(using):
        with pytest.raises(ValueError, match="no"), write_block(using):
            raise ValueError("no")
        assert transaction.get_rollback(using)
    assert titles(observer) == []


@pytest.mark.sqlite
def test_a_block_of_its_own_takes_the_write_lock_at_once(shared_database):
    assert open_block(shared_database.alias) == ["BEGIN IMMEDIATE"]


@pytest.mark.sqlite
def test_the_first_block_of_a_connection_takes_the_write_lock_too(shared_database):
    # Before it is opened, a connection says that it is not in autocommit.
    connections[shared_database.alias].close()
    assert open_block(shared_database.alias) == ["BEGIN IMMEDIATE"]


@pytest.mark.sqlite
def test_a_block_inside_another_begins_nothing(shared_database):
    with transaction.atomic(shared_database.alias):
        assert open_block(shared_database.alias) == []


@pytest.mark.sqlite
def test_a_block_in_manual_mode_begins_nothing(shared_database):
    using = shared_database.alias
    transaction.set_autocommit(False, using)
    assert open_block(using) == []
    transaction.set_autocommit(True, using)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("chosen", "sent"), [(None, "BEGIN IMMEDIATE"), ("DEFERRED", "BEGIN DEFERRED"), ("EXCLUSIVE", "BEGIN EXCLUSIVE")]
)
def test_the_transaction_mode_of_the_project_holds_and_stays(chosen, sent, shared_database):
    connection = connections[shared_database.alias]
    connection.ensure_connection()
    connection.transaction_mode = chosen
    assert open_block(shared_database.alias) == [sent]
    assert connection.transaction_mode == chosen


@pytest.mark.sqlite
def test_a_second_writer_waits_for_the_lock_and_its_mode_stays(shared_database):
    using = shared_database.alias
    locked, done, released = threading.Event(), threading.Event(), threading.Event()
    modes = []

    def hold():
        with write_block(using):
            locked.set()
            assert done.wait(30)
        released.set()

    def try_to_write():
        assert locked.wait(30)
        connection = connections[using]
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
        with pytest.raises(OperationalError, match="locked"), write_block(using):
            pass
        modes.append(connection.transaction_mode)
        done.set()
        assert released.wait(30)
        save("after", using)

    shared_database.run_in_threads(hold, try_to_write)
    assert modes == [None]
    assert titles(using) == written(using) == ["after"]


@pytest.mark.postgres
@pytest.mark.mariadb
def test_elsewhere_a_block_is_a_plain_one(using):
    assert "IMMEDIATE" not in "".join(open_block(using))


# Side by side.


def test_each_thread_has_a_unit_of_its_own(shared_database):
    using = shared_database.alias
    barrier = threading.Barrier(2, timeout=30)
    units = []

    def work(name):
        units.append(get_unit(connections[using]))
        barrier.wait()
        for number in range(10):
            with transaction.atomic(using):
                save(f"{name}{number}", using)
                save(f"{name}{number}+", using)
            with rolled_back(using):
                save("never", using)

    shared_database.run_in_threads(lambda: work("a"), lambda: work("b"))
    assert units[0] is not units[1]
    assert sorted(titles(using)) == sorted(written(using))
    for name in "ab":
        expected = [f"{name}{number}{extra}" for number in range(10) for extra in ("", "+")]
        assert [reason for reason in written(using) if reason.startswith(name)] == expected


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_a_unit_of_its_own(shared_database):
    using = shared_database.alias
    save("before", using)
    connections.close_all()
    connections[using].close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with transaction.atomic(using):
                save("child", using)
            with rolled_back(using):
                save("never", using)
            connections[using].close()
            status = 0
        except BaseException:  # noqa: BLE001 - the child must not go on as a second pytest
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    save("parent", using)
    assert titles(using) == written(using) == ["before", "child", "parent"]
