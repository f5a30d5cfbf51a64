"""The sequencer gives every committed event its place, once, in order, without a gap."""

import pytest
from django.db import transaction

from django_clean_timestamps.eventlog import sequencer
from django_clean_timestamps.eventlog.models import HEAD_KEY, Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence, sequence_once
from django_clean_timestamps.eventlog.transactions import can_begin
from django_clean_timestamps.exceptions import SequencingError
from tests.eventlog.log import add_pending, empty_log, raw_count, sequenced_events, statements
from tests.eventlog.sequencing import cursors_at, head, positions
from tests.testapp.models import Note


class TestInATestCase:
    pytestmark = pytest.mark.django_db(databases=["default", "other"])

    @pytest.fixture(autouse=True)
    def empty(self):
        empty_log()
        empty_log("other")

    def test_positions_are_dense_and_in_the_order_of_the_ids(self):
        add_pending(7)
        assert sequence() == 7
        assert positions() == list(range(1, 8))
        assert [event.reason for event in sequenced_events()] == list("1234567")
        assert [event.position for event in sequenced_events()] == positions()
        assert (raw_count(Pending), head()) == (0, 7)

    def test_positions_go_on_where_they_ended(self):
        add_pending(2)
        sequence()
        add_pending(3)
        assert sequence() == 3
        assert positions() == [1, 2, 3, 4, 5]
        assert [event.reason for event in sequenced_events()] == ["1", "2", "1", "2", "3"]

    def test_nothing_to_do_touches_nothing(self):
        assert sequence() == 0
        assert head() is None
        with statements() as found:
            assert sequence_once() == 0
        assert len(found) == 1

    def test_gaps_between_ids_leave_none_between_positions(self):
        add_pending(9)
        Pending._base_manager.filter(reason__in="258").delete()
        assert sequence() == 6
        assert positions() == [1, 2, 3, 4, 5, 6]
        assert [event.reason for event in sequenced_events()] == list("134679")

    @pytest.mark.parametrize(("size", "moved"), [(1, 1), (3, 3), (5, 5), (6, 5)])
    def test_a_pass_moves_at_most_its_size(self, size, moved):
        add_pending(5)
        assert sequence_once(size=size) == moved
        assert positions() == list(range(1, moved + 1))
        assert raw_count(Pending) == 5 - moved

    @pytest.mark.parametrize(("limit", "moved"), [(0, 0), (-1, 0), (1, 1), (4, 4), (5, 5), (9, 5), (None, 5)])
    def test_a_limit_is_kept(self, limit, moved):
        add_pending(5)
        assert sequence(limit=limit) == moved
        assert positions() == list(range(1, moved + 1))

    def test_it_goes_on_pass_by_pass(self, monkeypatch):
        monkeypatch.setattr(sequencer, "PASS_SIZE", 4)
        add_pending(11)
        assert sequence(limit=9) == 9
        assert raw_count(Pending) == 2
        assert sequence() == 2
        assert positions() == list(range(1, 12))

    def test_it_ends_with_a_pass_that_is_not_full(self, monkeypatch):
        monkeypatch.setattr(sequencer, "PASS_SIZE", 4)
        add_pending(7)
        sizes = []
        once = sequencer.sequence_once

        def spied(using, *, size):
            sizes.append(once(using, size=size))
            # A stream of writes that never ends.
            add_pending(1)
            return sizes[-1]

        monkeypatch.setattr(sequencer, "sequence_once", spied)
        assert sequence() == 9
        assert sizes == [4, 4, 1]

    def test_it_notes_when_it_was(self):
        add_pending(1)
        sequence()
        row = LogHead.objects.get()
        assert (row.pk, row.position) == (HEAD_KEY, 1)
        assert abs((row.sequenced_at - sequenced_events()[0].recorded_at).total_seconds()) < 5

    def test_each_alias_has_positions_of_its_own(self):
        add_pending(2)
        add_pending(3, using="other")
        assert sequence("other") == 3
        assert (positions(), positions("other")) == ([], [1, 2, 3])
        assert sequence("default") == 2
        assert positions() == [1, 2]

    def test_it_first_writes_what_the_test_has_recorded(self):
        note = Note.objects.create()
        note.touch("seen")
        assert sequence() == 2
        assert [event.reason for event in sequenced_events()] == ["entity_created", "seen"]

    def test_inside_a_block_of_the_test_it_refuses(self):
        Note.objects.create()
        with transaction.atomic():
            assert not can_begin("default")
            with pytest.raises(SequencingError, match="Inside a transaction on 'default' nothing can be sequenced"):
                sequence()
            # The block is not broken by that.
            assert Note.objects.count() == 1
        assert can_begin("default")
        assert sequence() == 1

    def test_a_block_on_one_alias_does_not_hinder_the_other(self):
        add_pending(1)
        with transaction.atomic("other"):
            assert sequence() == 1

    def test_every_column_comes_along(self):
        values = {
            "schema": 1,
            "slot": 200,
            "kind": 2,
            "entity_type": "a.b",
            "entity_id": "é '",
            "reason": "r",
            "actor": "a",
            "correlation_id": "c",
            "metadata": {"a": [1]},
        }
        add_pending(1, **values)
        before = Pending._base_manager.values().get()
        sequence()
        after = Event._base_manager.values().get()
        del before["id"]
        assert after.pop("position") == 1
        assert after == before

    def test_more_than_a_pass(self):
        add_pending(5_200)
        assert sequence() == 5_200
        assert positions() == list(range(1, 5_201))


class TestTheHead:
    """A test's flush deletes the row; so does whoever empties tables by hand."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture(autouse=True)
    def empty(self):
        empty_log()

    def test_a_missing_head_is_made_again_behind_the_last_event(self):
        add_pending(3)
        sequence()
        LogHead.objects.all().delete()
        add_pending(1)
        assert sequence() == 1
        assert positions() == [1, 2, 3, 4]
        assert head() == 4

    def test_a_missing_head_without_events_begins_anew(self):
        add_pending(3)
        sequence()
        empty_log()
        add_pending(2)
        sequence()
        assert positions() == [1, 2]

    def test_a_missing_head_gives_no_position_that_a_reader_has_passed(self):
        add_pending(2)
        with cursors_at(40, 7):
            sequence()
        assert positions() == [41, 42]

    def test_a_missing_head_follows_the_events_where_the_readers_are_behind(self):
        add_pending(3)
        sequence()
        LogHead.objects.all().delete()
        add_pending(1)
        with cursors_at(1):
            sequence()
        assert positions() == [1, 2, 3, 4]

    def test_readers_do_not_move_a_head_that_is_there(self):
        add_pending(1)
        sequence()
        add_pending(1)
        with cursors_at(100):
            sequence()
        assert positions() == [1, 2]

    def test_a_pruned_log_goes_on_behind_its_head(self):
        add_pending(3)
        sequence()
        Event.objects.all().delete()
        add_pending(1)
        sequence()
        assert positions() == [4]
