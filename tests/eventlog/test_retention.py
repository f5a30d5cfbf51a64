import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections, transaction
from django.db.models.signals import post_delete

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.cursors import answer_for_cursors, forget_cursors
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.retention import prune, prune_if_due, retention
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import CursorExpired, EventLogMissingError, RetentionError
from tests.eventlog.aged import add_aged, make_older, positions
from tests.eventlog.log import add_pending, dropped, statements
from tests.testapp.models import Note


@pytest.fixture
def cursor_at():
    """Return a function that lets a reader of the log stand at a position."""
    answers = []

    def stand(*positions, using="default"):
        answers.append(lambda alias: positions if alias == using else ())
        answer_for_cursors(answers[-1])

    yield stand
    for answer in answers:
        forget_cursors(answer)


@pytest.mark.django_db
class TestWhatGoes:
    def test_what_was_recorded_longer_ago_than_it_is_kept_goes(self):
        add_aged(40, 31, 29, 0)
        assert prune() == 2
        assert positions() == [3, 4]

    def test_retention_days_say_how_long_an_event_is_kept(self, settings):
        settings.CLEAN_TIMESTAMPS = {"RETENTION_DAYS": 35}
        add_aged(40, 31, 29, 0)
        assert prune() == 1

    def test_a_given_age_is_used_instead(self):
        add_aged(40, 31, 29, 0)
        assert prune(older_than=timedelta(days=10)) == 3

    def test_an_import_with_stamps_of_years_ago_is_kept(self):
        with stamped_at(datetime(2001, 1, 1, tzinfo=UTC)):
            Note.objects.create()
        Note.objects.create()
        assert sequence() == 2
        assert prune() == 0
        make_older(31, upto=1)
        assert prune() == 1

    def test_it_ends_at_the_first_event_that_is_young_enough(self):
        add_aged(40, 40, 1, 40, 40, 0)
        assert prune() == 2
        assert positions() == [3, 4, 5, 6]

    def test_the_last_event_stays_however_old_it_is(self):
        add_aged(40, 40, 40)
        assert prune(older_than=timedelta(0)) == 2
        assert positions() == [3]

    def test_positions_go_on_where_the_heads_row_was_lost(self):
        add_aged(40, 40, 40)
        prune()
        LogHead.objects.all().delete()
        add_aged(0)
        assert positions() == [3, 4]

    def test_an_empty_log_has_nothing_to_lose(self):
        assert prune() == 0

    def test_what_is_pending_stays(self):
        add_pending(3)
        Pending.objects.update(recorded_at=datetime(2001, 1, 1, tzinfo=UTC))
        assert prune() == 0
        assert Pending.objects.count() == 3

    def test_what_a_cursor_still_needs_stays(self, cursor_at):
        add_aged(40, 40, 40, 40, 0)
        cursor_at(2, 4)
        assert prune() == 2
        assert positions() == [3, 4, 5]

    def test_a_cursor_of_another_log_holds_nothing(self, cursor_at):
        add_aged(40, 40, 0)
        cursor_at(0, using="other")
        assert prune() == 2

    def test_a_feed_cursor_that_is_behind_expires(self):
        add_aged(40, 40, 40, 0)
        cursor = changed_since(limit=1).cursor
        assert prune() == 3
        with pytest.raises(CursorExpired):
            changed_since(cursor)

    @pytest.mark.parametrize("days", [1e6, 1e30])
    def test_a_retention_of_ages_keeps_all(self, settings, days):
        settings.CLEAN_TIMESTAMPS = {"RETENTION_DAYS": days}
        add_aged(40, 0)
        assert prune() == prune_if_due() == 0


@pytest.mark.django_db(databases=["default", "other"])
def test_each_log_is_pruned_by_itself():
    add_aged(40, 0)
    add_aged(40, 40, 0, using="other")
    assert prune("other") == 2
    assert positions() == [1, 2]
    assert positions("other") == [3]


@pytest.mark.django_db
class TestBatches:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
    def test_the_size_of_a_batch_changes_nothing(self, size):
        add_aged(*[40] * 7, 0)
        assert prune(batch_size=size) == 7
        assert positions() == [8]

    def test_progress_is_told_after_each_batch(self):
        add_aged(*[40] * 5, 0)
        told = []
        prune(batch_size=2, progress=told.append)
        assert told == [2, 4, 5]

    def test_what_progress_raises_ends_it_between_two_batches(self):
        add_aged(*[40] * 5, 0)

        def end(count):
            raise StopIteration

        with pytest.raises(StopIteration):
            prune(batch_size=2, progress=end)
        assert positions() == [3, 4, 5, 6]

    def test_a_gap_in_the_positions_is_passed_in_one_step(self):
        add_aged(*[40] * 4)
        Event._base_manager.filter(position=2).update(position=1_000_002)
        Event._base_manager.filter(position=4).update(position=2_000_000)
        with statements() as found:
            assert prune(batch_size=2) == 3
        assert positions() == [2_000_000]
        assert len(found) < 30

    def test_no_row_is_read_where_a_project_listens_to_every_deletion(self):
        add_aged(*[40] * 5, 0)

        def listen(**_):
            raise AssertionError("a row was deleted by itself")

        post_delete.connect(listen)
        try:
            with statements() as found:
                prune()
        finally:
            post_delete.disconnect(listen)
        assert len([statement for statement in found if statement.startswith("DELETE")]) == 1

    def test_a_dry_run_counts_and_changes_nothing(self, cursor_at):
        add_aged(40, 40, 40, 40, 1, 0)
        told = []
        assert prune(batch_size=3, dry_run=True, progress=told.append) == 4
        assert told == [3, 4]
        cursor_at(2)
        assert prune(dry_run=True) == 2
        assert positions() == [1, 2, 3, 4, 5, 6]

    def test_bad_arguments_are_refused(self):
        with pytest.raises(ValueError, match="older_than is -1 day"):
            prune(older_than=timedelta(days=-1))
        with pytest.raises(ValueError, match="batch_size is 0"):
            prune(batch_size=0)


@pytest.mark.django_db
class TestWhenDue:
    @pytest.mark.parametrize(("age", "count"), [(29, 0), (30.9, 0), (31.1, 2)])
    def test_the_oldest_event_may_be_due_for_a_day(self, age, count):
        add_aged(age, 30.5, 0)
        assert prune_if_due() == count

    def test_an_empty_log_is_not_due(self):
        assert prune_if_due() == 0

    def test_nothing_is_due_that_a_cursor_needs(self, cursor_at):
        add_aged(40, 40, 0)
        cursor_at(0)
        with statements() as found:
            assert prune_if_due() == 0
        assert not any(statement.startswith("DELETE") for statement in found)

    def test_progress_is_handed_on(self):
        add_aged(40, 0)
        told = []
        prune_if_due(progress=told.append)
        assert told == [1]


@pytest.mark.django_db
@pytest.mark.parametrize("work", [prune, prune_if_due])
def test_inside_a_transaction_it_is_refused(work):
    add_aged(40, 0)
    with pytest.raises(RetentionError, match=r"Inside a transaction on 'default'.*on_commit"), transaction.atomic():
        work()
    assert positions() == [1, 2]


def test_inside_a_transaction_that_no_testcase_opened_it_is_refused(committing):
    with transaction.atomic(), pytest.raises(RetentionError):
        prune()


def test_missing_tables_are_named(committing):
    for work in (prune, prune_if_due):
        with dropped(Event), pytest.raises(EventLogMissingError):
            work()


def test_each_batch_is_committed_by_itself(committing):
    add_aged(*[40] * 5, 0)
    seen = []

    def look(count):
        assert not connections["default"].in_atomic_block
        seen.append(positions())

    assert prune(batch_size=3, progress=look) == 5
    assert seen == [[4, 5, 6], [6]]


@pytest.mark.postgres
@pytest.mark.mariadb
def test_several_may_prune_at_once_and_each_event_is_counted_once(committing):
    add_aged(*[40] * 3, 0)
    add_pending(500)
    sequence()
    make_older(40)
    counts, errors = [], []

    def work():
        try:
            counts.append(prune(batch_size=7))
        except Exception as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(counts) == 503
    assert positions() == [504]


def test_retention_is_the_setting_in_days(settings):
    settings.CLEAN_TIMESTAMPS = {"RETENTION_DAYS": 1.5}
    assert retention() == timedelta(hours=36)
