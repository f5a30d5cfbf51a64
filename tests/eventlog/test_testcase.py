"""The log in each kind of a project's own tests."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase

from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import SequencingError
from django_clean_timestamps.testing import capture_events, drain_all
from tests.eventlog.log import raw_count
from tests.testapp.models import Note, Project, Task

ROOT = Path(__file__).resolve().parents[2]


class LogInATestCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.note = Note.objects.create(title="of the class")

    def test_what_the_class_recorded_is_in_the_log(self):
        assert Pending.objects.get().entity_id == str(self.note.pk)

    def test_each_test_begins_with_that_again(self):
        self.note.touch("seen")
        assert [row.reason for row in Pending.objects.order_by("id")] == ["entity_created", "seen"]

    def test_the_feed_reads_the_tests_own_events(self):
        self.note.touch("seen")
        page = changed_since(models=[Note])
        assert [event.reason for event in page.changes] == ["entity_created", "seen"]
        self.note.touch("again")
        assert [event.reason for event in changed_since(page.cursor).changes] == ["again"]

    def test_positions_begin_anew_in_each_test(self):
        assert drain_all("default") == 1
        assert Event.objects.get().position == 1

    def test_positions_begin_anew_in_each_test_again(self):
        assert [event.position for event in changed_since().changes] == [1]

    def test_a_block_that_is_rolled_back_takes_its_events_along(self):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            self.note.touch("undone")
            assert Pending.objects.count() == 2
            raise ZeroDivisionError
        assert Pending.objects.count() == 1

    def test_a_block_of_the_test_is_a_transaction_to_the_sequencer(self):
        with transaction.atomic(), pytest.raises(SequencingError):
            sequence()

    def test_capturing_needs_no_commit(self):
        with capture_events() as events:
            self.note.touch("seen")
            Note.objects.bulk_create([Note(), Note()])
            Note.objects.update(amount=1)
        assert [event.reason for event in events] == ["seen"] + ["entity_created"] * 2 + ["entity_updated"] * 3

    def test_what_was_captured_is_in_the_log_too(self):
        with capture_events() as events:
            Note.objects.update(amount=1)
        assert Pending.objects.order_by("id").last().event_id == events[0].event_id

    def test_callbacks_on_commit_find_the_events_in_the_log(self):
        seen = []
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                self.note.touch("seen")
                transaction.on_commit(lambda: seen.extend(row.reason for row in Pending.objects.order_by("id")))
        assert seen == ["entity_created", "seen"]
        assert len(callbacks) >= 1

    def test_callbacks_on_commit_may_sequence(self):
        moved = []
        with self.captureOnCommitCallbacks(execute=True):
            self.note.touch("seen")
            transaction.on_commit(lambda: moved.append(sequence()))
        assert moved == [2]

    def test_callbacks_that_are_only_captured_change_nothing(self):
        with self.captureOnCommitCallbacks():
            self.note.touch("seen")
        assert Pending.objects.count() == 2

    def test_touched_parents_are_in_the_log_after_the_block(self):
        project = Project.objects.create()
        with transaction.atomic():
            Task.objects.create(project=project)
        rows = Pending.objects.filter(entity_type="testapp.project").order_by("id")
        assert [row.kind for row in rows] == [1, 2]


class LogInATransactionTestCase(TransactionTestCase):
    def test_events_are_committed_with_their_rows(self):
        Note.objects.create()
        assert raw_count(Pending) == 1
        assert drain_all("default") == 1
        assert [event.position for event in changed_since().changes] == [1]

    def test_the_log_begins_anew_after_a_flush(self):
        """Two tests, whichever is first: the flush between them emptied the log and took its head."""
        assert (raw_count(Pending), raw_count(Event), raw_count(LogHead)) == (0, 0, 0)
        Note.objects.create()
        assert [event.position for event in changed_since().changes] == [1]

    def test_the_log_begins_anew_after_another_flush(self):
        self.test_the_log_begins_anew_after_a_flush()

    def test_capturing_works_beside_real_commits(self):
        with capture_events() as events:
            with transaction.atomic():
                Note.objects.create()
        assert len(events) == 1
        assert raw_count(Pending) == 1


class OtherLogInATransactionTestCase(TransactionTestCase):
    databases = {"default", "other"}

    def test_every_log_is_drained(self):
        Note.objects.create()
        Note(title="there").save(using="other")
        Note(title="there").save(using="other")
        assert drain_all() == 3
        assert (raw_count(Event), raw_count(Event, "other")) == (1, 2)

    def test_every_log_was_flushed(self):
        assert (raw_count(Event), raw_count(Event, "other")) == (0, 0)
        assert drain_all() == 0


@pytest.mark.django_db
def test_only_the_logs_that_a_test_may_use_are_drained():
    Note.objects.create()
    assert drain_all() == 1
    assert drain_all() == 0


@pytest.mark.django_db
def test_draining_inside_a_block_is_refused():
    with transaction.atomic(), pytest.raises(SequencingError):
        drain_all("default")


@pytest.mark.django_db
def test_an_early_write_is_not_lost_when_the_blocks_of_a_test_end_one_by_one():
    note = Note.objects.create()
    for number in range(3):
        with transaction.atomic():
            note.touch(str(number))
            with transaction.atomic():
                assert Pending.objects.count() == number + 2
    assert [row.reason for row in Pending.objects.order_by("id")][1:] == ["0", "1", "2"]


@pytest.mark.django_db
def test_the_fixture_holds_the_events_while_the_log_has_them_too(timestamp_events):
    Note.objects.create().touch("seen")
    assert [event.reason for event in timestamp_events] == ["entity_created", "seen"]
    assert [event.event_id for event in changed_since().changes] == [event.event_id for event in timestamp_events]


def test_processes_side_by_side_have_logs_of_their_own(tmp_path):
    """Under pytest-xdist every worker has databases of its own, and so a log that begins at 1."""
    pytest.importorskip("xdist")
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "test_side_by_side.py").write_text(
        textwrap.dedent("""
            import pytest
            from django_clean_timestamps.eventlog import changed_since
            from tests.testapp.models import Note

            @pytest.mark.parametrize("number", range(6))
            @pytest.mark.django_db(transaction=True)
            def test_it_begins_at_one(number):
                Note.objects.create().touch()
                assert [event.position for event in changed_since().changes] == [1, 2]
        """)
    )
    environment = {**os.environ, "TEST_DATABASE": "sqlite", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    result = subprocess.run(
        [*command, f"--rootdir={ROOT}", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "6 passed" in result.stdout, result.stdout + result.stderr


def test_nothing_of_these_tests_is_left_open():
    assert not connection.in_atomic_block
