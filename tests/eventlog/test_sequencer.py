"""The sequencer gives every committed event its place, once, in order, without a gap."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, connections, transaction

from django_clean_timestamps.eventlog import changed_since, sequencer
from django_clean_timestamps.eventlog.cursors import answer_for_cursors, forget_cursors
from django_clean_timestamps.eventlog.models import HEAD_KEY, Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence, sequence_once
from django_clean_timestamps.eventlog.transactions import can_begin
from django_clean_timestamps.exceptions import CleanTimestampsError, SequencingError
from tests.eventlog.log import add_pending, empty_log, pending_events, raw_count, sequenced_events, statements
from tests.testapp.models import Note


def positions(using="default"):
    return list(Event._base_manager.using(using).order_by("position").values_list("position", flat=True))


def head(using="default"):
    return LogHead._base_manager.using(using).values_list("position", flat=True).first()


@contextmanager
def cursors_at(*at):
    """Let a reader be at some positions."""

    def answer(using):
        return at

    answer_for_cursors(answer)
    try:
        yield
    finally:
        forget_cursors(answer)


class TestInATestCase:
    pytestmark = pytest.mark.django_db(databases=["default", "other"])

    @pytest.fixture(autouse=True)
    def empty(self):
        empty_log()
        empty_log("other")

    def test_positions_are_dense_and_in_the_order_of_the_ids(self):
        add_pending(7)
        assert sequence() == 7
        assert positions() == list(range(1, 8))
        assert [event.reason for event in sequenced_events()] == list("1234567")
        assert [event.position for event in sequenced_events()] == positions()
        assert (raw_count(Pending), head()) == (0, 7)

    def test_positions_go_on_where_they_ended(self):
        add_pending(2)
        sequence()
        add_pending(3)
        assert sequence() == 3
        assert positions() == [1, 2, 3, 4, 5]
        assert [event.reason for event in sequenced_events()] == ["1", "2", "1", "2", "3"]

    def test_nothing_to_do_touches_nothing(self):
        assert sequence() == 0
        assert head() is None
        with statements() as found:
            assert sequence_once() == 0
        assert len(found) == 1

    def test_gaps_between_ids_leave_none_between_positions(self):
        add_pending(9)
        Pending._base_manager.filter(reason__in="258").delete()
        assert sequence() == 6
        assert positions() == [1, 2, 3, 4, 5, 6]
        assert [event.reason for event in sequenced_events()] == list("134679")

    @pytest.mark.parametrize(("size", "moved"), [(1, 1), (3, 3), (5, 5), (6, 5)])
    def test_a_pass_moves_at_most_its_size(self, size, moved):
        add_pending(5)
        assert sequence_once(size=size) == moved
        assert positions() == list(range(1, moved + 1))
        assert raw_count(Pending) == 5 - moved

    @pytest.mark.parametrize(("limit", "moved"), [(0, 0), (-1, 0), (1, 1), (4, 4), (5, 5), (9, 5), (None, 5)])
    def test_a_limit_is_kept(self, limit, moved):
        add_pending(5)
        assert sequence(limit=limit) == moved
        assert positions() == list(range(1, moved + 1))

    def test_it_goes_on_pass_by_pass(self, monkeypatch):
        monkeypatch.setattr(sequencer, "PASS_SIZE", 4)
        add_pending(11)
        assert sequence(limit=9) == 9
        assert raw_count(Pending) == 2
        assert sequence() == 2
        assert positions() == list(range(1, 12))

    def test_it_ends_with_a_pass_that_is_not_full(self, monkeypatch):
        monkeypatch.setattr(sequencer, "PASS_SIZE", 4)
        add_pending(7)
        sizes = []
        once = sequencer.sequence_once

        def spied(using, *, size):
            sizes.append(once(using, size=size))
            # A stream of writes that never ends.
            add_pending(1)
            return sizes[-1]

        monkeypatch.setattr(sequencer, "sequence_once", spied)
        assert sequence() == 9
        assert sizes == [4, 4, 1]

    def test_it_notes_when_it_was(self):
        add_pending(1)
        sequence()
        row = LogHead.objects.get()
        assert (row.pk, row.position) == (HEAD_KEY, 1)
        assert abs((row.sequenced_at - sequenced_events()[0].recorded_at).total_seconds()) < 5

    def test_each_alias_has_positions_of_its_own(self):
        add_pending(2)
        add_pending(3, using="other")
        assert sequence("other") == 3
        assert (positions(), positions("other")) == ([], [1, 2, 3])
        assert sequence("default") == 2
        assert positions() == [1, 2]

    def test_it_first_writes_what_the_test_has_recorded(self):
        note = Note.objects.create()
        note.touch("seen")
        assert sequence() == 2
        assert [event.reason for event in sequenced_events()] == ["entity_created", "seen"]

    def test_inside_a_block_of_the_test_it_refuses(self):
        Note.objects.create()
        with transaction.atomic():
            assert not can_begin("default")
            with pytest.raises(SequencingError, match="Inside a transaction on 'default' nothing can be sequenced"):
                sequence()
            # The block is not broken by that.
            assert Note.objects.count() == 1
        assert can_begin("default")
        assert sequence() == 1

    def test_a_block_on_one_alias_does_not_hinder_the_other(self):
        add_pending(1)
        with transaction.atomic("other"):
            assert sequence() == 1

    def test_every_column_comes_along(self):
        values = {
            "schema": 1,
            "slot": 200,
            "kind": 2,
            "entity_type": "a.b",
            "entity_id": "é '",
            "reason": "r",
            "actor": "a",
            "correlation_id": "c",
            "metadata": {"a": [1]},
        }
        add_pending(1, **values)
        before = Pending._base_manager.values().get()
        sequence()
        after = Event._base_manager.values().get()
        del before["id"]
        assert after.pop("position") == 1
        assert after == before

    def test_more_than_a_pass(self):
        add_pending(5_200)
        assert sequence() == 5_200
        assert positions() == list(range(1, 5_201))


class TestTheHead:
    """A test's flush deletes the row; so does whoever empties tables by hand."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture(autouse=True)
    def empty(self):
        empty_log()

    def test_a_missing_head_is_made_again_behind_the_last_event(self):
        add_pending(3)
        sequence()
        LogHead.objects.all().delete()
        add_pending(1)
        assert sequence() == 1
        assert positions() == [1, 2, 3, 4]
        assert head() == 4

    def test_a_missing_head_without_events_begins_anew(self):
        add_pending(3)
        sequence()
        empty_log()
        add_pending(2)
        sequence()
        assert positions() == [1, 2]

    def test_a_missing_head_gives_no_position_that_a_reader_has_passed(self):
        add_pending(2)
        with cursors_at(40, 7):
            sequence()
        assert positions() == [41, 42]

    def test_a_missing_head_follows_the_events_where_the_readers_are_behind(self):
        add_pending(3)
        sequence()
        LogHead.objects.all().delete()
        add_pending(1)
        with cursors_at(1):
            sequence()
        assert positions() == [1, 2, 3, 4]

    def test_readers_do_not_move_a_head_that_is_there(self):
        add_pending(1)
        sequence()
        add_pending(1)
        with cursors_at(100):
            sequence()
        assert positions() == [1, 2]

    def test_a_pruned_log_goes_on_behind_its_head(self):
        add_pending(3)
        sequence()
        Event.objects.all().delete()
        add_pending(1)
        sequence()
        assert positions() == [4]


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
