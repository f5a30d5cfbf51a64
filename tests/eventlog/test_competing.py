"""
Bulk writes beside a transaction that changes what they select: exactly one event per changed row, with its latest stamp.

The rows tell which were changed: each ends with the stamp of its last event, and each event begins where the one before
it has ended.
"""

import random
import threading
import time
from contextlib import suppress

import pytest
from django.apps import apps
from django.db import IntegrityError, OperationalError, connection, connections, transaction

from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from tests.eventlog.chains import check_chains, records
from tests.eventlog.competing import CLOSED, DONE, NEW_ROWS, OPEN, scenarios
from tests.eventlog.rivals import RIVAL, Rival, set_level
from tests.testapp.models import Note
from tests.unit_of_work.conftest import Database

SCENARIOS = scenarios()
STRESS_SECONDS = 2.0


@pytest.fixture
def clean(committing):
    """Let the test commit, and empty the tables of these tests."""
    empty()
    yield
    empty()


def empty():
    with connection.cursor() as cursor:
        for name in ("sticker", "part", "item", "box", "attachment", "task", "project", "tagging", "tag", "note"):
            cursor.execute(f"DELETE FROM testapp_{name}")


@pytest.fixture
def file_database(tmp_path, django_db_blocker):
    """Return a database in a file, opened here, with all tables; a write's block begins with the write lock."""
    settings = {
        **connections["default"].settings_dict,
        "NAME": str(tmp_path / "competing.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
    database = Database("competing", settings)
    with django_db_blocker.unblock(), database.opened() as opened:
        with opened.schema_editor() as editor:
            for model in (*apps.get_app_config("testapp").get_models(), Pending, Event, LogHead):
                if not model._meta.proxy:
                    editor.create_model(model)
        yield database


def compete(scenario, *, database=None, level=None, captures=False):
    """Run a scenario, check the log, and return the rival's events and what it raised."""
    using = "default" if database is None else database.alias
    scenario.make(using)
    rival = Rival(scenario.write, database=database, level=level, captures=captures)
    with transaction.atomic(using):
        scenario.compete(using)
        rival.start_and_wait_for_a_lock()
    error = rival.finish()
    # An upsert is not told by any database what its rows held before.
    unknown = {((record.entity_type, record.entity_id), RIVAL): None for record in records(using)}
    check_chains(scenario.models, using, may_say=unknown if "upsert" in scenario.write.__name__ else None)
    found = [record for record in records(using) if record.reason == RIVAL]
    if captures:
        assert [event.event_id for event in rival.events] == [record.event_id for record in found]
    return found, error


@pytest.mark.postgres
@pytest.mark.mariadb
@pytest.mark.parametrize("captures", [False, True], ids=["nobody", "captured"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_bulk_write_that_waited_tells_of_each_row_that_it_changed_once(clean, vendor, name, captures):
    found, error = compete(SCENARIOS[name], captures=captures)
    if name == NEW_ROWS and vendor == "postgresql":
        # As without the package; and it is not the transaction that had the lock first that fails.
        assert isinstance(error, IntegrityError)
        assert found == []
        return
    assert error is None
    assert found
    if name in ("update", "bulk_update"):
        done = {str(key) for key in Note.objects.filter(title=DONE).values_list("pk", flat=True)}
        assert {record.entity_id for record in found} == done


@pytest.mark.postgres
@pytest.mark.mariadb
@pytest.mark.parametrize("captures", [False, True], ids=["nobody", "captured"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_under_repeatable_read_it_does_so_or_leaves_nothing(clean, name, captures):
    found, error = compete(SCENARIOS[name], captures=captures, level="REPEATABLE READ")
    if error is not None:
        assert isinstance(error, (OperationalError, IntegrityError)), repr(error)
        assert found == []


@pytest.mark.sqlite
@pytest.mark.parametrize("captures", [False, True], ids=["nobody", "captured"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_so_does_one_that_waited_for_sqlites_write_lock(file_database, name, captures):
    found, error = compete(SCENARIOS[name], database=file_database, captures=captures)
    assert error is None
    assert found


@pytest.mark.postgres
@pytest.mark.mariadb
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_bulk_updates_that_compete_at_random_tell_of_each_change_once(clean, level):
    Note.objects.bulk_create([Note(title=random.choice("abc")) for _ in range(40)])
    deadline, done, errors = time.monotonic() + STRESS_SECONDS, [0], []

    def work(seed):
        chance = random.Random(seed)
        try:
            set_level(level)
            while time.monotonic() < deadline:
                with suppress(OperationalError), transaction.atomic():
                    write_at_random(chance)
                    done[0] += 1
        except BaseException as error:  # noqa: BLE001 - the test's thread looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert done[0] > 20
    check_chains((Note,))


@pytest.mark.mariadb
@pytest.mark.parametrize("count", [40, 100], ids=["a few", "many"])
def test_rows_can_be_inserted_while_the_newest_ones_are_being_updated(clean, count):
    Note.objects.bulk_create([Note(title=OPEN) for _ in range(5_000)])
    with connection.cursor() as cursor:
        # Without it the server may read the whole table for a hundred keys, and so lock it.
        cursor.execute(f"ANALYZE TABLE {Note._meta.db_table}")
        cursor.fetchall()
    keys = list(Note.objects.order_by("-pk").values_list("pk", flat=True)[:count])
    errors = []

    def insert():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            Note.objects.create(title=CLOSED)
        except OperationalError as error:
            errors.append(error)
        finally:
            connection.close()

    set_level("REPEATABLE READ")
    with transaction.atomic():
        assert Note.objects.filter(pk__in=keys).update(title=DONE) == count
        thread = threading.Thread(target=insert, daemon=True)
        thread.start()
        thread.join()
    connection.close()
    assert errors == []


def write_at_random(chance):
    notes = Note.objects.filter(title=chance.choice("abc"))
    kind = chance.randrange(6)
    if kind < 3:
        notes.update(title=chance.choice("abc"))
    elif kind == 3:
        notes.touch()
    elif kind == 4:
        Note.objects.bulk_create([Note(title=chance.choice("abc")) for _ in range(3)])
    else:
        keys = list(notes.values_list("pk", flat=True)[:3])
        Note.objects.filter(pk__in=keys, title=chance.choice("abc")).delete()
