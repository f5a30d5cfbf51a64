"""The sequencer's own transaction, and the sequencers and writers beside it."""

import threading
import time

import pytest
from django.db import DatabaseError, connection, connections, transaction

from django_clean_timestamps.eventlog import changed_since, sequencer
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence, sequence_once
from django_clean_timestamps.eventlog.transactions import can_begin
from django_clean_timestamps.exceptions import CleanTimestampsError, SequencingError
from tests.eventlog.log import add_pending, pending_events, raw_count, sequenced_events
from tests.eventlog.sequencing import head, positions
from tests.testapp.models import Note


class TestItsOwnTransaction:
    @pytest.fixture(autouse=True)
    def committed(self, committing):
        pass

    def test_inside_atomic_it_refuses_and_changes_nothing(self):
        add_pending(1)
        with transaction.atomic():
            with pytest.raises(SequencingError, match="Call it after COMMIT"):
                sequence()
        assert (raw_count(Pending), raw_count(Event)) == (1, 0)
        assert issubclass(SequencingError, CleanTimestampsError)

    def test_inside_a_block_without_savepoint_it_refuses_too(self):
        with transaction.atomic(savepoint=False), pytest.raises(SequencingError):
            sequence_once()

    def test_in_manual_mode_it_refuses(self):
        add_pending(1)
        connection.set_autocommit(False)
        try:
            assert not can_begin("default")
            with pytest.raises(SequencingError):
                sequence()
            with transaction.atomic(), pytest.raises(SequencingError):
                sequence()
            connection.rollback()
        finally:
            connection.set_autocommit(True)
        assert sequence() == 1

    def test_after_commit_it_may_be_called_at_once(self):
        moved = []
        with transaction.atomic():
            Note().save()
            transaction.on_commit(lambda: moved.append(sequence()))
        assert moved == [1]

    @pytest.mark.parametrize("vanishes", ["before the insert", "between the two"])
    def test_a_pass_that_does_not_add_up_is_rolled_back(self, vanishes, monkeypatch, vendor):
        """Somebody else deletes a row meanwhile; here it is this very transaction, or the lock would hold it off."""
        if vanishes == "between the two" and vendor == "postgresql":
            pytest.skip("one statement does both")
        add_pending(4)
        move = sequencer._move

        class Interfering:
            """A cursor that deletes a row before one of its statements."""

            def __init__(self, cursor):
                self.cursor = cursor

            def execute(self, sql, params=None):
                if sql.startswith("DELETE" if vanishes == "between the two" else ("INSERT", "WITH")):
                    self.cursor.execute("DELETE FROM clean_timestamps_pending WHERE reason = '2'")
                self.cursor.execute(sql, params)
                self.rowcount = self.cursor.rowcount

        monkeypatch.setattr(
            sequencer, "_move", lambda connection, cursor, *rest: move(connection, Interfering(cursor), *rest)
        )
        with pytest.raises(SequencingError, match=r"read 4 pending events of 'default', inserted . and deleted 3"):
            sequence()
        assert (raw_count(Pending), raw_count(Event)) == (4, 0)
        monkeypatch.undo()
        assert sequence() == 4
        assert positions() == [1, 2, 3, 4]

    def test_a_pass_that_fails_leaves_everything_as_it_was(self, monkeypatch):
        add_pending(3)

        def fail(*args):
            raise ZeroDivisionError

        monkeypatch.setattr(sequencer, "DatabaseNow", fail)
        with pytest.raises(ZeroDivisionError):
            sequence()
        assert (raw_count(Pending), raw_count(Event), head()) == (3, 0, None)

    def test_a_position_that_is_taken_already_is_an_error_and_loses_nothing(self):
        add_pending(1)
        sequence()
        LogHead.objects.update(position=0)
        add_pending(1)
        with pytest.raises(DatabaseError):
            sequence()
        assert (raw_count(Pending), positions()) == (1, [1])

    def inside_a_pass(self, monkeypatch, *queries):
        """Return what each query says inside a pass, on the pass's own connection."""
        said = []
        real = sequencer._pass

        def asking(connection, size):
            with connection.cursor() as cursor:
                for query in queries:
                    cursor.execute(query)
                    said.append(cursor.fetchone()[0])
            return real(connection, size)

        monkeypatch.setattr(sequencer, "_pass", asking)
        add_pending(1)
        assert sequence() == 1
        monkeypatch.undo()
        return said

    def asked(self, query):
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    @pytest.mark.postgres
    @pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    def test_on_postgresql_it_reads_what_is_committed_whatever_the_project_chose(self, level, monkeypatch, settings):
        settings.CLEAN_TIMESTAMPS = {"LEASE_SECONDS": 7.5}
        default = self.asked("SHOW idle_in_transaction_session_timeout")
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")
        try:
            said = self.inside_a_pass(
                monkeypatch, "SHOW transaction_isolation", "SHOW idle_in_transaction_session_timeout"
            )
            assert said == ["read committed", "7500ms"]
            assert self.asked("SHOW transaction_isolation") == level.lower()
            assert self.asked("SHOW idle_in_transaction_session_timeout") == default
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")

    @pytest.mark.mariadb
    @pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    def test_on_mariadb_it_reads_what_is_committed_whatever_the_project_chose(self, level, monkeypatch):
        # What a transaction has is nowhere to be read but among InnoDB's, which it looks at every 0.1 s.
        wait = "SELECT SLEEP(0.15)"
        of_this = (
            "SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()"
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        try:
            began = "SELECT COUNT(*) FROM clean_timestamps_pending"
            assert self.inside_a_pass(monkeypatch, began, wait, of_this)[-1] == "READ COMMITTED"
            with transaction.atomic():
                raw_count(Pending)
                self.asked(wait)
                assert self.asked(of_this) == level
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    @pytest.mark.mariadb
    @pytest.mark.parametrize("before", [0, 55])
    def test_on_mariadb_its_idle_limit_is_taken_back(self, before, monkeypatch, settings):
        settings.CLEAN_TIMESTAMPS = {"LEASE_SECONDS": 7.5}
        limit = "SELECT @@idle_transaction_timeout"
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION idle_transaction_timeout = {before}")
        try:
            assert self.inside_a_pass(monkeypatch, limit) == [8]
            assert self.asked(limit) == before
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION idle_transaction_timeout = 0")

    @pytest.mark.mariadb
    def test_on_mariadb_its_idle_limit_is_taken_back_after_an_error_too(self, monkeypatch):
        def fail(*args):
            raise ZeroDivisionError

        monkeypatch.setattr(sequencer, "_pass", fail)
        add_pending(1)
        with pytest.raises(ZeroDivisionError):
            sequence()
        assert self.asked("SELECT @@idle_transaction_timeout") == 0

    @pytest.mark.mariadb
    def test_on_mysql_the_limit_is_that_of_any_idle_connection(self, monkeypatch, settings):
        settings.CLEAN_TIMESTAMPS = {"LEASE_SECONDS": 60}
        before = self.asked("SELECT @@wait_timeout")
        monkeypatch.setitem(connections["default"].__dict__, "mysql_is_mariadb", False)
        assert self.inside_a_pass(monkeypatch, "SELECT @@wait_timeout") == [61]
        assert self.asked("SELECT @@wait_timeout") == before

    @pytest.mark.mariadb
    def test_a_connection_that_was_killed_in_a_pass_tells_of_that_and_not_of_its_limit(self, monkeypatch):
        def killed(connection, size):
            with connection.cursor() as cursor:
                cursor.execute("KILL CONNECTION_ID()")

        monkeypatch.setattr(sequencer, "_pass", killed)
        add_pending(1)
        with pytest.raises(DatabaseError, match=r"1317|1927|killed|interrupted"):
            sequence()
        connection.close()
        monkeypatch.undo()
        assert sequence() == 1

    @pytest.mark.sqlite
    def test_on_sqlite_it_begins_with_the_write_lock(self):
        add_pending(1)
        with CapturedBegin() as begun:
            sequence()
        assert begun == ["BEGIN IMMEDIATE"]


class CapturedBegin:
    def __enter__(self):
        self.statements = []
        connection.ensure_connection()
        connection.connection.set_trace_callback(self._note)
        return self.statements

    def _note(self, statement):
        if statement.startswith("BEGIN"):
            self.statements.append(statement)

    def __exit__(self, *error):
        connection.connection.set_trace_callback(None)


class TestBesideOthers:
    def test_competing_sequencers_and_writers_lose_nothing_and_double_nothing(self, shared_database):
        writers, each = 3, 40
        done = threading.Event()
        moved = []

        def write(name):
            for number in range(each):
                with transaction.atomic("shared"):
                    note = Note(title=name)
                    note.save(using="shared")
                    note.touch(f"{name}-{number}")
                    if number % 10 == 9:
                        transaction.set_rollback(True, using="shared")

        def sequence_all():
            while not done.is_set():
                moved.append(sequence("shared", limit=7))
                time.sleep(0.002)

        def run_writers():
            try:
                shared_database.run_in_threads(*[lambda name=f"w{number}": write(name) for number in range(writers)])
            finally:
                done.set()

        shared_database.run_in_threads(run_writers, *[sequence_all] * 3)
        sequence("shared")
        events = sequenced_events("shared")
        wanted = writers * each * 9 // 10 * 2
        assert len(events) == wanted
        assert len({event.event_id for event in events}) == wanted
        assert positions("shared") == list(range(1, wanted + 1))
        by_entity = {}
        for event in events:
            by_entity.setdefault(event.entity_id, []).append(event.event_type)
        assert set(map(tuple, by_entity.values())) == {("timestamp_created", "timestamp_updated")}

    def test_two_sequencers_may_find_the_head_missing_at_once(self, shared_database):
        add_pending(60, using="shared")
        start = threading.Barrier(3, timeout=30)

        def run():
            start.wait()
            for _ in range(10):
                sequence("shared", limit=3)

        shared_database.run_in_threads(run, run, run)
        sequence("shared")
        assert positions("shared") == list(range(1, 61))
        assert head("shared") == 60

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_an_event_that_commits_late_comes_later_though_its_id_is_lower(self, shared_database):
        written, go_on = threading.Event(), threading.Event()

        def hold():
            with transaction.atomic("shared"):
                Note(title="late").save(using="shared")
                pending_events("shared")
                written.set()
                assert go_on.wait(30)

        def overtake():
            try:
                assert written.wait(30)
                note = Note(title="early")
                note.save(using="shared")
                assert sequence("shared") == 1
                page = changed_since(using="shared")
                assert [event.entity_id for event in page.changes] == [str(note.pk)]
                cursors.append(page.cursor)
            finally:
                go_on.set()

        cursors = []
        shared_database.run_in_threads(hold, overtake)
        (late,) = changed_since(cursors[0]).changes
        assert late.position == 2
        assert Note.objects.using("shared").get(pk=late.entity_id).title == "late"

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_writers_are_not_held_up_by_a_pass(self, shared_database, monkeypatch):
        add_pending(3, using="shared")
        moving, written = threading.Event(), threading.Event()
        real = sequencer._move

        def slow(connection, cursor, *rest):
            result = real(connection, cursor, *rest)
            moving.set()
            assert written.wait(30)
            return result

        monkeypatch.setattr(sequencer, "_move", slow)

        def write():
            assert moving.wait(30)
            Note().save(using="shared")
            Note.objects.using("shared").update(amount=1)
            written.set()

        shared_database.run_in_threads(lambda: sequence_once("shared"), write)
        assert positions("shared") == [1, 2, 3]
        assert raw_count(Pending, "shared") == 2
