"""On MySQL and MariaDB a position is given out once a commit of the reader's own has made it last; elsewhere it does."""

import pytest
from django.db import OperationalError, connection, transaction

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.eventlog import changed_since, lasting, sequencer
from django_clean_timestamps.eventlog.models import LogHead
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.delivery.deliveries import subscribe
from tests.eventlog.log import add_pending, statements
from tests.testapp.models import Note

pytestmark = pytest.mark.usefixtures("committing")


@pytest.fixture
def sequenced_elsewhere(monkeypatch):
    """Leave a log of three events that another process has sequenced."""
    add_pending(3)
    sequence()
    monkeypatch.setattr(lasting, "_known", {})


def commits(found):
    """Return how many of the statements make what was read last."""
    return len([sql for sql in found if sql.startswith("UPDATE") and LogHead._meta.db_table in sql])


def at_head():
    return LogHead.objects.values_list("position", "sequenced_at").get()


@pytest.mark.mariadb
class TestTheFeed:
    def test_what_another_process_has_sequenced_takes_one_commit(self, sequenced_elsewhere):
        with statements() as found:
            page = changed_since(limit=1)
        assert commits(found) == 1
        assert len(page.changes) == 1
        # Before the rows are read, or it would say nothing of those that came in between.
        assert found.index(next(sql for sql in found if sql.startswith("UPDATE"))) < len(found) - 1
        with statements() as found:
            assert len(changed_since(page.cursor).changes) == 2
        assert commits(found) == 0

    def test_what_this_process_has_sequenced_takes_none(self, sequenced_elsewhere):
        add_pending(2)
        sequence()
        with statements() as found:
            assert len(changed_since().changes) == 5
        assert commits(found) == 0

    def test_a_pass_that_moved_nothing_says_nothing(self, sequenced_elsewhere, monkeypatch):
        """Its transaction only read, so nothing was written to the disk with it."""
        monkeypatch.setattr(sequencer, "_has_pending", lambda connection: True)
        assert sequence() == 0
        assert lasting._known == {}
        with statements() as found:
            changed_since()
        assert commits(found) == 1

    def test_a_cursor_at_the_end_takes_none(self, sequenced_elsewhere, monkeypatch):
        cursor = changed_since().cursor
        monkeypatch.setattr(lasting, "_known", {})
        with statements() as found:
            assert changed_since(cursor).changes == ()
        assert commits(found) == 0

    def test_a_log_that_begins_anew_is_not_taken_for_the_one_before(self, sequenced_elsewhere, monkeypatch):
        monkeypatch.setattr(lasting, "_known", {"default": 1000})
        with statements() as found:
            changed_since()
        assert commits(found) == 1
        assert lasting._known == {"default": at_head()[0]}

    def test_inside_a_transaction_nothing_is_made_last(self, sequenced_elsewhere):
        with statements() as found, transaction.atomic():
            assert len(changed_since().changes) == 3
        assert commits(found) == 0
        assert lasting._known == {}

    def test_in_manual_mode_neither(self, sequenced_elsewhere):
        connection.set_autocommit(False)
        try:
            with statements() as found:
                assert len(changed_since().changes) == 3
            connection.rollback()
        finally:
            connection.set_autocommit(True)
        assert commits(found) == 0
        assert lasting._known == {}

    def test_without_that_commit_nothing_is_given(self, sequenced_elsewhere):
        def refuse(execute, sql, *arguments):
            if sql.startswith("UPDATE"):
                raise OperationalError("gone")
            return execute(sql, *arguments)

        with connection.execute_wrapper(refuse), pytest.raises(OperationalError, match="gone"):
            changed_since()
        assert lasting._known == {}
        assert len(changed_since().changes) == 3

    def test_it_moves_the_time_of_the_last_pass_by_a_microsecond_and_nothing_else(self, sequenced_elsewhere):
        position, sequenced_at = at_head()
        changed_since()
        assert at_head()[0] == position
        assert (at_head()[1] - sequenced_at).total_seconds() == 1e-6


@pytest.mark.mariadb
class TestADrain:
    def test_a_subscription_beside_the_log_needs_no_commit_more(self, sequenced_elsewhere):
        subscribe(sender=Note)
        with statements() as found:
            drain()
        assert commits(found) == 0

    def test_one_in_another_database_is_moved_once_the_log_lasts(self, sequenced_elsewhere, monkeypatch):
        heard = subscribe(sender=Note, using="other")
        with statements() as found:
            drain()
        # It begins at the head.
        assert commits(found) == 1
        Note(title="new").save()
        sequence()
        monkeypatch.setattr(lasting, "_known", {})
        with statements() as found:
            drain()
        assert commits(found) == 1
        assert len(heard) == 1


@pytest.mark.sqlite
@pytest.mark.postgres
def test_elsewhere_nobody_sees_a_commit_before_it_lasts(sequenced_elsewhere):
    subscribe(sender=Note, using="other")
    with statements() as found:
        assert len(changed_since().changes) == 3
        drain()
    assert commits(found) == 0
    assert lasting._known == {}
