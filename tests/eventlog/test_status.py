import threading
import time
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, connections, transaction

from django_clean_timestamps.eventlog import status as status_module
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.eventlog.status import LogStatus, read_status
from tests.eventlog.aged import add_aged
from tests.eventlog.log import add_pending, dropped, statements
from tests.testapp.models import Note

DAY = 86_400.0


@pytest.fixture
def other_session(vendor):
    """Return a context that keeps a transaction open in another session."""

    @contextmanager
    def opened():
        begun, done = threading.Event(), threading.Event()

        def work():
            try:
                with transaction.atomic():
                    Note.objects.create(title="open")
                    begun.set()
                    done.wait(20)
                    transaction.set_rollback(True)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(20)
        try:
            yield
        finally:
            done.set()
            thread.join()

    return opened


@pytest.mark.django_db
class TestWhatIsRead:
    def test_an_empty_log(self):
        status = read_status()
        assert replace(status, oldest_transaction_age_seconds=None, is_oldest_transaction_known=False) == LogStatus(
            using="default"
        )
        assert status.is_well

    def test_what_waits_and_for_how_long(self):
        add_pending(1, recorded_at=database_now("default") - timedelta(hours=2))
        add_pending(2)
        status = read_status()
        assert status.pending_count == 3
        assert not status.has_more_pending
        assert status.oldest_pending_age_seconds == pytest.approx(7200, abs=60)

    def test_what_waits_is_counted_up_to_a_limit(self, monkeypatch):
        monkeypatch.setattr(status_module, "COUNT_LIMIT", 3)
        add_pending(2)
        assert not read_status().has_more_pending
        add_pending(3)
        status = read_status()
        assert status.pending_count == 3
        assert status.has_more_pending

    def test_the_head_and_the_last_pass(self):
        add_aged(0, 0)
        status = read_status()
        assert status.head == 2
        assert status.sequenced_at == LogHead.objects.get().sequenced_at
        assert status.sequenced_age_seconds == pytest.approx(0, abs=60)

    def test_what_is_retained(self):
        add_aged(3, 0)
        status = read_status()
        assert status.oldest_position == 1
        assert status.oldest_age_seconds == pytest.approx(3 * DAY, abs=60)

    def test_a_lost_head_is_read_from_the_log(self):
        add_aged(0, 0)
        LogHead.objects.all().delete()
        status = read_status()
        assert status.head == 2
        assert status.sequenced_at is None

    def test_a_few_statements_are_enough(self):
        add_pending(1)
        sequence()
        add_pending(1)
        with statements() as found:
            read_status()
        assert len(found) <= 8


@pytest.mark.django_db(databases=["default", "other"])
def test_each_log_has_a_status_of_its_own():
    add_pending(2, "other")
    assert read_status("other").pending_count == 2
    assert read_status().pending_count == 0


@pytest.mark.parametrize("model", [Pending, Event, LogHead])
def test_where_a_table_is_missing_it_is_named_and_nothing_else_is_read(committing, model):
    with dropped(model):
        status = read_status()
    assert status == LogStatus(using="default", missing_tables=(model._meta.db_table,))
    assert not status.is_well


@pytest.mark.parametrize(
    ("waiting", "sequenced", "stalled"),
    [
        (None, None, False),
        (None, 9 * DAY, False),
        (DAY - 1, None, False),
        (DAY, None, True),
        (DAY, DAY - 1, False),
        (DAY, DAY, True),
    ],
)
def test_a_log_stalls_when_something_waits_for_a_day_and_nobody_sequences(waiting, sequenced, stalled):
    status = LogStatus(using="default", oldest_pending_age_seconds=waiting, sequenced_age_seconds=sequenced)
    assert status.is_stalled is stalled
    assert status.is_well is not stalled


@pytest.mark.sqlite
@pytest.mark.django_db
def test_sqlite_cannot_say_what_others_have_open():
    status = read_status()
    assert status.oldest_transaction_age_seconds is None
    assert not status.is_oldest_transaction_known


@pytest.mark.postgres
@pytest.mark.mariadb
def test_the_oldest_transaction_of_others_is_known(committing, other_session):
    with other_session():
        time.sleep(1.1)
        status = read_status()
    assert status.is_oldest_transaction_known
    assert status.oldest_transaction_age_seconds >= 1


def age_of_others():
    """Read until the other transaction is seen: InnoDB renews what it tells when nobody has asked for 0.1 s."""
    deadline = time.monotonic() + 20
    while (age := read_status().oldest_transaction_age_seconds) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return age


@pytest.mark.mariadb
def test_its_age_is_right_whatever_the_time_zone_of_the_session(committing, other_session):
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+05:00'")
    try:
        with other_session():
            assert 0 <= age_of_others() < 3_600
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = @@global.time_zone")


@contextmanager
def as_a_user_without_rights():
    """Let the default alias be of a user who may read the log and see no sessions but its own."""
    vendor, name = connection.vendor, f"reader_of_{connection.settings_dict['NAME']}"[:32]
    if vendor == "postgresql":
        make = [f"CREATE ROLE {name} LOGIN", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"]
        drop = [f"DROP OWNED BY {name}", f"DROP ROLE {name}"]
    else:
        make = [f"CREATE USER {name}", f"GRANT SELECT ON `{connection.settings_dict['NAME']}`.* TO {name}"]
        drop = [f"DROP USER {name}"]
    owner = connections["default"]
    run(owner, *make)
    reader = connections.create_connection("default")
    reader.settings_dict = {**deepcopy(reader.settings_dict), "NAME": owner.settings_dict["NAME"], "USER": name}
    connections["default"] = reader
    try:
        yield owner
    finally:
        reader.close()
        connections["default"] = owner
        run(owner, *drop)


def run(target, *texts):
    with target.cursor() as cursor:
        for text in texts:
            cursor.execute(text)


@pytest.mark.postgres
@pytest.mark.mariadb
def test_where_the_sessions_of_others_may_not_be_seen_it_is_unknown(committing):
    add_pending(1)
    with as_a_user_without_rights() as owner:
        run(owner, "BEGIN", "SELECT count(*) FROM clean_timestamps_pending")
        try:
            status = read_status()
        finally:
            run(owner, "ROLLBACK")
    assert status.pending_count == 1
    assert status.oldest_transaction_age_seconds is None
    assert not status.is_oldest_transaction_known


@pytest.mark.mariadb
def test_another_error_of_the_database_is_raised(committing):
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        (session,) = cursor.fetchone()
    run(connections["other"], f"KILL {session}")
    wait_until_gone(session)
    try:
        with pytest.raises(DatabaseError):
            status_module._oldest_transaction(connection)
    finally:
        connection.close()


def wait_until_gone(session):
    deadline = time.monotonic() + 20
    with connections["other"].cursor() as cursor:
        while True:
            cursor.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", [session])
            if not cursor.fetchall():
                return
            assert time.monotonic() < deadline
            time.sleep(0.01)
