import threading
from contextlib import contextmanager, suppress
from copy import deepcopy

import pytest
from django.db import Error, connections
from django.db.utils import load_backend

from django_clean_timestamps.eventlog.models import Pending
from tests.testapp.models import Note, Project, Task
from tests.unit_of_work.written import RowWriter, WrittenEvent, attached


@pytest.fixture(scope="session")
def written_table(django_db_setup, django_db_blocker):
    """Make the table that the writer under test writes to; no app has it in its models."""
    with django_db_blocker.unblock():
        connection = connections["default"]
        if WrittenEvent._meta.db_table not in connection.introspection.table_names():
            with connection.schema_editor() as editor:
                editor.create_model(WrittenEvent)


@pytest.fixture
def real_transactions(written_table, django_db_blocker):
    """
    Let the test commit, and empty the tables that these tests write.

    A flush of every table, as ``django_db(transaction=True)`` does it, takes a second on a server.
    """
    with django_db_blocker.unblock():
        yield
        connection = connections["default"]
        with suppress(Error):
            connection.rollback()
        connection.set_autocommit(True)
        with connection.cursor() as cursor:
            for model in (Task, Project, Note, WrittenEvent, Pending):
                cursor.execute(f"DELETE FROM {model._meta.db_table}")


@pytest.fixture
def writer(real_transactions):
    """Return the attached writer of rows; its table is empty."""
    with attached(RowWriter()) as writer:
        yield writer


class Database:
    """
    A database under test behind an alias of its own, which each thread opens for itself.

    The connections are put into ``connections`` by hand: Django's test cases forbid aliases that they do not know.
    """

    def __init__(self, alias, settings):
        self.alias = alias
        self.settings = settings
        self.opened_in = set()

    def open(self):
        connections[self.alias] = load_backend(self.settings["ENGINE"]).DatabaseWrapper(self.settings, self.alias)
        return connections[self.alias]

    def close(self):
        wrapper = connections[self.alias]
        wrapper.close()
        # Django leaves SQLite's databases in memory open.
        if wrapper.connection is not None:
            wrapper.connection.close()
        del connections[self.alias]

    @contextmanager
    def opened(self):
        try:
            yield self.open()
        finally:
            self.close()

    def run_in_threads(self, *functions):
        """Run the functions side by side, each on a connection of its own, and raise what one of them raised."""
        errors = []

        def run(function):
            try:
                with self.opened():
                    function()
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)

        threads = [threading.Thread(target=run, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        if errors:
            raise errors[0]


@pytest.fixture
def make_database(real_transactions):
    """Return a function that opens the database under test, or another one, under an alias of its own."""
    opened = []

    def make(alias, **changes):
        database = Database(alias, {**deepcopy(connections["default"].settings_dict), **changes})
        database.open()
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def engine_alias(make_database):
    """Return an alias whose ENGINE has the seam mixed in."""
    return make_database("with_engine", ENGINE="tests.unit_of_work.backend").alias


@pytest.fixture(params=["default", "with_engine"], ids=["seam", "engine"])
def using(request):
    """Return an alias: the seam is put on its connection, or mixed into its ENGINE."""
    if request.param == "with_engine":
        return request.getfixturevalue("engine_alias")
    return request.param


@pytest.fixture
def shared_database(make_database, written_table, vendor, tmp_path):
    """Return a database that several connections can work on and that can be closed: a file where it is SQLite."""
    if vendor != "sqlite":
        return make_database("shared")
    database = make_database("shared", NAME=str(tmp_path / "shared.sqlite3"))
    with connections["shared"].schema_editor() as editor:
        for model in (Note, WrittenEvent, Pending):
            editor.create_model(model)
    return database


@pytest.fixture
def observer(make_database):
    """Return the alias of a second connection, which sees only what is committed."""
    return make_database("observer").alias
