"""Work that is done once before COMMIT."""

import pytest
from django.db import connection, connections, transaction
from django.test import TestCase

from django_clean_timestamps.exceptions import UnitOfWorkError
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import get_unit, unit
from tests.testapp.models import Project, Task
from tests.unit_of_work.written import (
    RowWriter,
    attached,
    rolled_back,
    save,
    set_savepoint,
    take_seam_away,
    titles,
    written,
)


class Errand:
    """Notes what it was called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, connection, items):
        assert connection.in_atomic_block
        self.calls.append(list(items))


@pytest.fixture
def errand():
    return Errand()


def enlist(errand, key, item, using="default"):
    get_unit(connections[using]).enlist(errand, key, item)


@pytest.mark.usefixtures("writer")
class TestBeforeCommit:
    def test_an_errand_runs_once_with_all_its_items(self, errand, using):
        with transaction.atomic(using):
            enlist(errand, "a", 1, using)
            enlist(errand, "b", 2, using)
            assert errand.calls == []
        assert errand.calls == [[1, 2]]

    def test_errands_of_two_kinds_run_each_with_its_own(self, errand, using):
        other = Errand()
        with transaction.atomic(using):
            enlist(errand, "a", 1, using)
            enlist(other, "a", 2, using)
        assert (errand.calls, other.calls) == ([[1]], [[2]])

    def test_the_latest_item_of_a_key_counts_over_all_savepoints(self, errand, using):
        with transaction.atomic(using):
            enlist(errand, "a", 1, using)
            enlist(errand, "b", 2, using)
            set_savepoint(using)
            enlist(errand, "a", 3, using)
            with transaction.atomic(using):
                enlist(errand, "b", 4, using)
        assert errand.calls == [[3, 4]]

    def test_a_savepoint_takes_its_errands_back(self, errand, using):
        with transaction.atomic(using):
            enlist(errand, "a", 1, using)
            with rolled_back(using):
                enlist(errand, "a", 2, using)
                enlist(errand, "b", 3, using)
        assert errand.calls == [[1]]

    def test_a_rollback_takes_all_errands_back(self, errand, using):
        with rolled_back(using):
            enlist(errand, "a", 1, using)
        save("a", using)
        assert errand.calls == []

    def test_an_errand_may_enlist_another(self, errand, using):
        def first(connection, items):
            get_unit(connection).enlist(errand, "b", 2)

        with transaction.atomic(using):
            enlist(first, "a", 1, using)
        assert errand.calls == [[2]]

    def test_what_an_errand_saves_is_written_in_the_same_transaction(self, using, observer, writer):
        with transaction.atomic(using):
            enlist(lambda connection, items: save("errand", connection.alias), "a", 1, using)
            save("a", using)
        assert titles(observer) == written(observer) == ["a", "errand"]
        assert writer.batch_sizes == [2]

    def test_an_errand_that_fails_rolls_back(self, using, observer):
        def fail(connection, items):
            raise ValueError("no")

        def work():
            with transaction.atomic(using):
                save("a", using)
                enlist(fail, "a", 1, using)

        with pytest.raises(ValueError, match="no"):
            work()
        assert titles(observer) == written(observer) == []

    def test_an_errand_that_enlists_itself_for_ever_raises(self, using, monkeypatch):
        monkeypatch.setattr(unit, "MAX_ROUNDS", 5)
        calls = []

        def again(connection, items):
            calls.append(items)
            get_unit(connection).enlist(again, "a", 1)

        def work():
            with transaction.atomic(using):
                enlist(again, "a", 1, using)

        with pytest.raises(UnitOfWorkError, match="after 5 rounds"):
            work()
        assert len(calls) == 25

    def test_errands_run_late_where_the_seam_was_taken_away(self, errand, caplog):
        with transaction.atomic():
            enlist(errand, "a", 1)
            enlist(errand, "b", 2)
            take_seam_away()
        assert errand.calls == [[1, 2]]
        assert "0 events were written after COMMIT" in caplog.text

    def test_a_parent_is_touched_once_for_many_children(self, using):
        project = Project.objects.using(using).create()
        with capture_events() as events, transaction.atomic(using):
            for _ in range(3):
                Task(project=project).save(using=using)
        assert [event.entity_type for event in events] == ["testapp.task"] * 3 + ["testapp.project"]


class TestInATestCase(TestCase):
    """Here nothing ever commits."""

    @pytest.fixture(autouse=True)
    def _attach_writer(self, written_table):
        with attached(RowWriter()) as self.writer:
            yield

    def setUp(self):
        self.errand = Errand()

    def test_an_errand_runs_at_the_end_of_the_outermost_block(self):
        with transaction.atomic():
            with transaction.atomic():
                enlist(self.errand, "a", 1)
            assert self.errand.calls == []
        assert self.errand.calls == [[1]]

    def test_an_errand_runs_at_the_end_of_a_durable_block(self):
        with transaction.atomic(durable=True):
            enlist(self.errand, "a", 1)
            save("a")
            assert self.errand.calls == []
        assert self.errand.calls == [[1]]

    def test_a_lone_write_touches_its_parent(self):
        project = Project.objects.create()
        before = project.updated_at
        Task.objects.create(project=project)
        project.refresh_from_db()
        assert project.updated_at > before

    def test_a_block_touches_a_parent_once_at_its_end(self):
        project = Project.objects.create()
        with capture_events() as events, transaction.atomic():
            Task.objects.create(project=project)
            Task.objects.create(project=project)
            assert len(events) == 2
        assert [event.entity_type for event in events] == ["testapp.task", "testapp.task", "testapp.project"]

    def test_a_block_that_is_rolled_back_runs_no_errand(self):
        with rolled_back():
            enlist(self.errand, "a", 1)
        save("a")
        assert self.errand.calls == []

    def test_callbacks_that_are_executed_write_the_events_and_log_no_error(self):
        with self.assertNoLogs("django_clean_timestamps"):
            with self.captureOnCommitCallbacks(execute=True) as callbacks:
                save("a")
                enlist(self.errand, "a", 1)
        assert written() == ["a"]
        assert self.errand.calls == [[1]]
        assert len(callbacks) == 1

    def test_the_events_of_an_instance_stay_as_nothing_commits(self):
        note = save("a")
        note.touch("b")
        assert [event.reason for event in note.get_domain_events()] == ["a", "b"]
        assert self.writer.batch_sizes == []

    def test_what_a_savepoint_took_back_is_not_among_the_events(self):
        note = save("a")
        with rolled_back():
            note.touch("b")
        assert [event.reason for event in note.get_domain_events()] == ["a"]

    def test_a_connection_proxy_enlists_too(self):
        with transaction.atomic():
            get_unit(connection).enlist(self.errand, "a", 1)
        assert self.errand.calls == [[1]]
