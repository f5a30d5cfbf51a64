"""What people replay."""

import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.operations import (
    pause,
    replay,
    replay_entity,
    reshard,
)
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import DeliveryError
from tests.delivery.deliveries import (
    BROKEN,
    HERE,
    lease_to_other,
    notes,
    parked,
    shard,
    touch,
    updates,
)

pytestmark = pytest.mark.usefixtures("log")


class TestReplaying:
    def test_the_whole_log_is_heard_again(self):
        heard = updates()
        notes("a", "b")
        drain()
        assert replay("tests.heard", HERE) == 4
        drain()
        notes("c")
        drain()
        assert heard.reasons == ["a", "b", "a", "b", "c"]
        assert [event.replayed for event in heard] == [False, False, True, True, False]

    def test_from_a_position_on(self):
        heard = updates()
        notes("a", "b")
        drain()
        assert replay("tests.heard", HERE, from_position=4) == 1
        drain()
        assert heard.reasons == ["a", "b", "b"]

    def test_what_was_parked_from_there_on_is_heard_in_its_turn(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        [_, note] = notes("a", "bad")
        touch(note, "b")
        drain()
        heard.fail.clear()
        replay("tests.heard", HERE, from_position=4)
        assert parked() == []
        drain()
        assert heard.reasons == ["a", "bad", "b"]

    def test_a_second_replay_keeps_what_the_first_still_has_to_tell(self):
        heard = updates()
        notes("a", "b", "c")
        drain()
        replay("tests.heard", HERE)
        replay("tests.heard", HERE, from_position=1)
        drain()
        assert all(event.replayed for event in heard[3:])

    def test_a_worker_that_has_it_commits_nothing(self):
        heard = updates()
        notes("a")
        drain()
        lease_to_other()
        replay("tests.heard", HERE)
        drain()
        assert heard.reasons == ["a", "a"]

    @pytest.mark.parametrize("position", [0, -1, 6])
    def test_a_position_that_is_not_in_the_log_is_refused(self, position):
        updates()
        notes("a", "b")
        drain()
        with pytest.raises(DeliveryError, match=r"not in the log of 'default', which has 1 to 4"):
            replay("tests.heard", HERE, from_position=position)

    def test_what_was_pruned_is_refused(self):
        updates()
        notes("a", "b")
        drain()
        Event.objects.filter(position__lte=2).delete()
        with pytest.raises(DeliveryError, match="which has 3 to 4"):
            replay("tests.heard", HERE, from_position=2)

    def test_a_handler_without_a_subscription_is_refused(self):
        notes("a")
        sequence()
        with pytest.raises(DeliveryError, match="has no subscription"):
            replay("tests.heard", HERE)

    def test_one_that_is_being_resharded_is_refused(self):
        updates()
        notes("a")
        drain()
        reshard("tests.heard", HERE, 2)
        with pytest.raises(DeliveryError, match="is being resharded"):
            replay("tests.heard", HERE)


class TestReplayingAnEntity:
    def test_its_events_are_heard_again_in_order_and_no_others(self):
        heard = updates()
        note, _ = notes("a", "x")
        touch(note, "b")
        drain()
        assert replay_entity("tests.heard", HERE, "testapp.note", str(note.pk)) == 2
        drain()
        assert heard.reasons == ["a", "x", "b", "a", "b"]
        assert [event.replayed for event in heard[3:]] == [True, True]

    def test_later_ones_wait_behind_these(self):
        heard = updates()
        [note] = notes("a")
        drain()
        heard.fail["a"] = BROKEN
        replay_entity("tests.heard", HERE, "testapp.note", str(note.pk))
        touch(note, "b")
        drain()
        assert parked() == [("a", "retry", 1), ("b", "waiting", 0)]

    def test_what_it_is_still_to_hear_is_left_out(self):
        heard = updates()
        [note] = notes("a")
        drain()
        touch(note, "b")
        sequence()
        assert replay_entity("tests.heard", HERE, "testapp.note", str(note.pk)) == 1
        drain()
        assert heard.reasons == ["a", "a", "b"]

    def test_what_is_parked_takes_its_place(self):
        heard = updates(max_attempts=1)
        heard.fail["bad"] = BROKEN
        [note] = notes("a")
        touch(note, "bad")
        drain()
        heard.fail.clear()
        replay_entity("tests.heard", HERE, "testapp.note", str(note.pk))
        drain()
        assert heard.reasons == ["a", "a", "bad"]
        assert parked() == []

    def test_an_entity_without_events_has_none(self):
        updates()
        drain()
        assert replay_entity("tests.heard", HERE, "testapp.note", "404") == 0
        assert shard().owner == ""

    def test_an_unknown_handler_is_refused(self):
        with pytest.raises(DeliveryError, match=r"no handler 'tests\.heard' in the code"):
            replay_entity("tests.heard", HERE, "testapp.note", "1")

    def test_one_that_was_never_drained_is_refused(self):
        updates()
        with pytest.raises(DeliveryError, match="begins at its first drain"):
            replay_entity("tests.heard", HERE, "testapp.note", "1")

    def test_a_paused_one_is_refused(self):
        updates()
        drain()
        pause("tests.heard", HERE)
        with pytest.raises(DeliveryError, match="is paused; resume it first"):
            replay_entity("tests.heard", HERE, "testapp.note", "1")

    def test_one_that_is_busy_is_waited_for_and_refused_in_the_end(self, monkeypatch):
        from django_clean_timestamps.delivery.operations import replaying

        updates(lease_seconds=0.01)
        drain()
        lease_to_other()
        monkeypatch.setattr(replaying, "SECONDS_BETWEEN_TRIES", 0.3)
        with pytest.raises(DeliveryError, match="was busy all the time"):
            replay_entity("tests.heard", HERE, "testapp.note", "1")

    def test_an_error_gives_the_lease_back(self, monkeypatch):
        from django_clean_timestamps.delivery.operations import replaying

        def fail(*_):
            raise BROKEN

        updates()
        drain()
        monkeypatch.setattr(replaying, "_events", fail)
        with pytest.raises(ValueError, match="broken"):
            replay_entity("tests.heard", HERE, "testapp.note", "1")
        assert shard().owner == ""
