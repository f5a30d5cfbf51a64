"""Whether this process can serve."""

import os

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from django_clean_timestamps.metrics.health import shutdown
from django_clean_timestamps.metrics.health.migrations import unapplied_migrations
from django_clean_timestamps.metrics.health.probing import Answer, Asker, select_one
from django_clean_timestamps.metrics.health.readiness import ASKER, Readiness, Word, _find_unapplied
from tests.routers import OtherAppRouter

pytestmark = pytest.mark.django_db


class Answers(Asker):
    """An asker that answers as it is told, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def ask(self, alias, work):
        self.asked.append((alias, work))
        return self.answers.pop(0)


def test_a_process_with_a_migrated_database_is_ready():
    assert Readiness(ASKER).ask() == Word.READY


def test_migrations_are_asked_for_until_they_are_there():
    asker = Answers(Answer(("0003_metrics",)), Answer(()), Answer(), Answer())
    readiness = Readiness(asker)
    assert [readiness.ask() for _ in range(4)] == [Word.UNMIGRATED, Word.READY, Word.READY, Word.READY]
    assert asker.asked == [("default", work) for work in (_find_unapplied, _find_unapplied, select_one, select_one)]


def test_a_database_that_does_not_answer_is_told_before_and_after():
    asker = Answers(Answer(error=TimeoutError()), Answer(()), Answer(error=OSError()), Answer())
    readiness = Readiness(asker)
    words = [Word.UNREACHABLE, Word.READY, Word.UNREACHABLE, Word.READY]
    assert [readiness.ask() for _ in range(4)] == words


def test_a_process_that_stops_asks_nobody(monkeypatch):
    monkeypatch.setattr(shutdown, "_has_begun", False)
    asker = Answers()
    shutdown.begin_shutdown()
    assert Readiness(asker).ask() == Word.STOPPING
    assert asker.asked == []


class TestMigrations:
    def test_all_are_applied_here(self):
        assert unapplied_migrations(connections["default"]) == ()

    def test_those_that_are_not_are_named_in_order(self):
        applied = MigrationRecorder(connections["default"]).migration_qs
        applied.filter(app="clean_timestamps", name__gte="0002").delete()
        assert unapplied_migrations(connections["default"])[:1] == ("0002_delivery",)

    def test_others_do_not_count(self):
        MigrationRecorder(connections["default"]).migration_qs.filter(app="auth").delete()
        assert unapplied_migrations(connections["default"]) == ()

    def test_without_the_table_of_migrations_none_is_applied(self, monkeypatch):
        monkeypatch.setattr(type(connections["default"].introspection), "table_names", lambda *_: [])
        assert unapplied_migrations(connections["default"])[0] == "0001_event_log"

    def test_a_project_that_switches_migrations_off_lacks_none(self, settings):
        settings.MIGRATION_MODULES = {"clean_timestamps": None}
        assert unapplied_migrations(connections["default"]) == ()

    def test_where_no_router_wants_them_none_is_lacking(self, monkeypatch):
        monkeypatch.setattr(OtherAppRouter, "allow_migrate", lambda *_, **__: False)
        MigrationRecorder(connections["default"]).migration_qs.all().delete()
        assert unapplied_migrations(connections["default"]) == ()


def test_after_a_fork_the_parents_questions_are_nobodys():
    under_way = ASKER._under_way
    ASKER.ask("default", select_one)
    child = os.fork()
    if not child:
        os._exit(0 if ASKER._under_way == {} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ASKER._under_way is under_way
    assert under_way
