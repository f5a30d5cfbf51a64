"""Servers that unpack rows from JSON, and MariaDB before 10.6, which does not."""

import pytest
from django.db import connections

from django_clean_timestamps.context import timestamp_context
from tests.eventlog.log import statements
from tests.eventlog.set_based.both_paths import (
    NOW,
    all_are_version_seven,
    both_paths_agree,
    ids_after,
    make_rows,
    many_bulk_creates,
)
from tests.testapp.models import (
    Note,
)

pytestmark = pytest.mark.django_db


@pytest.mark.mariadb
class TestWithoutJsonTable:
    @pytest.fixture(autouse=True)
    def old_server(self, monkeypatch):
        monkeypatch.setitem(connections["default"].__dict__, "mysql_version", (10, 5, 29))

    @pytest.mark.parametrize(
        "write", [write for _, write in many_bulk_creates()], ids=[name for name, _ in many_bulk_creates()]
    )
    def test_any_bulk_insert_leaves_the_same_log(self, write, clock):
        make_rows()
        clock.tick(1)
        with timestamp_context(reason="it's", actor="100 %", a={"b": "ü"}), statements() as found:
            both_paths_agree(write)
        assert not any("JSON_TABLE" in sql for sql in found)

    def test_ids_are_of_version_seven(self, clock):
        all_are_version_seven(ids_after(lambda: Note.objects.bulk_create(Note() for _ in range(2_500))), NOW)


@pytest.mark.mariadb
def test_a_newer_mariadb_unpacks_the_rows_itself():
    with statements() as found:
        Note.objects.bulk_create([Note(), Note()])
    assert any("JSON_TABLE" in sql for sql in found)


@pytest.mark.mariadb
def test_mysql_itself_has_always_had_json_table(monkeypatch):
    from django_clean_timestamps.eventlog.set_based import known

    monkeypatch.setitem(connections["default"].__dict__, "mysql_is_mariadb", False)
    monkeypatch.setitem(connections["default"].__dict__, "mysql_version", (8, 0, 11))
    assert known._has_json_table(connections["default"])
