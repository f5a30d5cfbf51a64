"""What is no fault of an event: a database that refuses or goes away, and an outage of all that a handler calls."""

import pytest
from django.db import InterfaceError, OperationalError, connection, connections, transaction

from django_clean_timestamps.delivery import RetryLater, on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.delivery.deliveries import BROKEN, drained, make_due, notes, parked, shard, updates
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")


class TestDatabase:
    """What the database is to blame for counts against nobody."""

    def fails_with(self, error, times):
        left = [error] * times

        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard")
        def hear(event):
            if left:
                raise left.pop()

    def deadlock(self):
        if connection.vendor == "postgresql":
            from psycopg.errors import DeadlockDetected

            error = OperationalError("deadlock detected")
            error.__cause__ = DeadlockDetected()
            return error
        if connection.vendor == "mysql":
            return OperationalError(1213, "Deadlock found when trying to get lock")
        return OperationalError("database is locked")

    def test_a_deadlock_is_tried_again_at_once(self):
        self.fails_with(self.deadlock(), 2)
        notes("a")
        assert drain().delivered == 1
        assert parked() == []

    def test_where_it_goes_on_the_subscription_backs_off(self):
        self.fails_with(self.deadlock(), 3)
        notes("a")
        drain()
        assert (shard().state, shard().cursor, shard().owner, shard().failures) == ("backing_off", 0, "", 0)
        assert shard().problem
        make_due()
        assert drain().delivered == 1
        assert (shard().state, shard().problem, shard().resume_at) == ("active", "", None)
        assert parked() == []

    @pytest.mark.parametrize(
        "error",
        [
            InterfaceError("connection already closed"),
            OperationalError("server closed the connection unexpectedly"),
            OperationalError(2002, "Can't connect to server on '127.0.0.1' (115)"),
        ],
    )
    def test_a_lost_connection_is_no_fault_of_the_event(self, error):
        self.fails_with(error, 1)
        notes("a")
        assert drain().delivered == 1
        assert parked() == []

    @pytest.mark.parametrize(
        "error", [OperationalError("disk is full"), InterfaceError("wrong type"), OperationalError(1054, "no column")]
    )
    def test_other_errors_are_the_events(self, error):
        self.fails_with(error, 9)
        notes("a")
        drain()
        assert parked() == [("a", "retry", 1)]

    def test_a_constraint_that_fails_is_the_events(self):
        Project.objects.create(name="taken")

        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard")
        def hear(event):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO testapp_project SELECT * FROM testapp_project")

        notes("a")
        drain()
        assert parked() == [("a", "retry", 1)]
        assert "IntegrityError" in ParkedEvent.objects.get().last_error

    def test_a_transaction_that_the_handler_left_broken_is_found(self):
        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard")
        def hear(event):
            if event.reason == "bad":
                transaction.set_rollback(True)
            else:
                Project.objects.create(name=event.reason)

        notes("a", "bad", "c")
        drain()
        assert parked() == [("bad", "retry", 1)]
        assert list(Project.objects.order_by("id").values_list("name", flat=True)) == ["a", "c"]

    def test_a_commit_whose_answer_was_lost_is_not_made_twice(self, monkeypatch):
        wrapper = type(connections["default"])
        commit, armed = wrapper.commit, []

        def lose_the_answer(self):
            commit(self)
            if armed:
                armed.clear()
                raise OperationalError("server closed the connection unexpectedly")

        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard")
        def hear(event):
            Project.objects.create(name=event.reason)
            if event.reason == "b" and Project.objects.count() == 2:
                armed.append(True)

        notes("a", "b")
        monkeypatch.setattr(wrapper, "commit", lose_the_answer)
        drain()
        assert list(Project.objects.order_by("id").values_list("name", flat=True)) == ["a", "b"]
        # The projects' own events come after the notes'.
        assert shard().cursor >= 4
        assert parked() == []

    @pytest.mark.postgres
    def test_what_is_refused_at_commit_is_found(self):
        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard")
        def hear(event):
            if event.reason == "bad":
                with connection.cursor() as cursor:
                    cursor.execute(
                        "INSERT INTO testapp_task (project_id, title, created_at, updated_at) "
                        "VALUES (999999, '', now(), now())"
                    )

        notes("a", "bad", "c")
        drain()
        assert parked() == [("bad", "retry", 1)]
        assert "IntegrityError" in ParkedEvent.objects.get().last_error


class TestOutage:
    def fail_all(self, heard, error=BROKEN):
        heard.fail = dict.fromkeys((str(number) for number in range(100)), error)

    def test_after_twenty_failures_in_a_row_it_parks_no_more(self):
        heard = updates()
        self.fail_all(heard)
        notes(*(str(number) for number in range(50)))
        drained(times=3)
        assert len(parked()) == 20
        row = shard()
        assert (row.state, row.failures, row.problem) == ("backing_off", 20, "ValueError: broken")
        assert row.resume_at is not None

    def test_it_probes_with_one_event(self):
        heard = updates()
        self.fail_all(heard)
        notes(*(str(number) for number in range(50)))
        drain()
        before = len(heard.calls)
        for _ in range(4):
            make_due()
            drain()
        assert len(heard.calls) == before + 4
        assert len(parked()) == 20
        assert shard().failures == 24
        # Probes count against no event.
        assert {attempts for _, _, attempts in parked()} == {1}

    def test_one_that_works_ends_it(self):
        heard = updates()
        self.fail_all(heard)
        notes(*(str(number) for number in range(50)))
        drain()
        heard.fail.clear()
        for _ in range(30):
            make_due()
            drain()
        assert sorted(map(int, heard.reasons)) == list(range(50))
        assert parked() == []
        row = shard()
        assert (row.state, row.failures, row.problem, row.cursor) == ("active", 0, "", 100)

    def test_one_success_in_between_begins_the_count_anew(self):
        heard = updates()
        self.fail_all(heard)
        heard.fail.pop("15")
        notes(*(str(number) for number in range(30)))
        drain()
        assert len(parked()) == 29
        assert shard().state == "active"

    def test_a_row_of_bad_events_is_got_over_in_the_end(self):
        heard = updates(max_attempts=3)
        self.fail_all(heard)
        for good in range(24, 50):
            heard.fail.pop(str(good))
        notes(*(str(number) for number in range(50)))
        drain()
        for _ in range(60):
            make_due()
            drain()
        assert sorted(map(int, heard.reasons)) == list(range(24, 50))
        assert shard().cursor == 100

    def test_everything_that_is_to_be_tried_later_is_an_outage_too(self):
        heard = updates()
        self.fail_all(heard, RetryLater(5000))
        notes(*(str(number) for number in range(50)))
        drain()
        assert len(parked()) == 20
        assert (shard().resume_at - database_now("default")).total_seconds() > 4000

    def test_nothing_new_is_probed_with_what_is_parked(self):
        heard = updates()
        self.fail_all(heard)
        notes(*(str(number) for number in range(20)))
        drain()
        heard.fail.clear()
        make_due()
        drained(times=2)
        assert len(heard) == 20
        assert shard().state == "active"
