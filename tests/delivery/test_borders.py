"""Whatever is wrong with one subscription, the others have their turn."""

import logging
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError

from django_clean_timestamps.delivery import drain as drain_module
from django_clean_timestamps.delivery import turns
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.failures import full_jitter
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.operations import skip
from django_clean_timestamps.delivery.parking import Parking
from django_clean_timestamps.delivery.turns import Turn
from django_clean_timestamps.exceptions import EventLogMissingError
from tests.delivery.deliveries import BROKEN, make_due, notes, parked, shard, touch, updates
from tests.eventlog.log import dropped


@pytest.fixture
def turns_fail(monkeypatch):
    """Return a function that lets the turns of the handler ``t.bad`` raise."""

    def fail(error):
        class Failing(Turn):
            def take(self):
                if self.handler.name == "t.bad":
                    raise error
                return super().take()

        monkeypatch.setattr(drain_module, "Turn", Failing)

    return fail


@pytest.mark.usefixtures("log")
class TestOneOfSeveral:
    def test_a_database_that_fails_one_of_them_fails_the_drain_in_the_end(self, turns_fail):
        updates(name="t.bad")
        heard = updates()
        turns_fail(OperationalError("no route"))
        notes("a")
        with pytest.raises(OperationalError, match="no route"):
            drain()
        assert heard.reasons == ["a"]

    def test_any_other_error_is_told_and_goes_on(self, turns_fail, caplog):
        updates(name="t.bad")
        heard = updates()
        turns_fail(BROKEN)
        notes("a")
        with caplog.at_level(logging.ERROR, "django_clean_timestamps.delivery"):
            drain()
        assert heard.reasons == ["a"]
        assert shard("t.bad").problem == "ValueError: broken"
        assert "t.bad could not be delivered to" in caplog.text

    def test_a_database_without_the_tables_keeps_nobody_elsewhere(self):
        updates(name="t.elsewhere", using="other")
        heard = updates()
        notes("a")
        drain()
        notes("b")
        with dropped(Subscription, using="other"), pytest.raises(EventLogMissingError):
            drain()
        assert heard.reasons == ["a", "b"]

    def test_without_the_tables_beside_the_log_nothing_is_done(self):
        heard = updates()
        notes("a")
        with dropped(Subscription), pytest.raises(EventLogMissingError):
            drain()
        assert heard == []

    def test_one_that_another_worker_was_faster_to_take_is_left_to_it(self, monkeypatch):
        heard = updates()
        notes("a")
        monkeypatch.setattr(turns, "take_lease", lambda *_, **__: None)
        assert drain().is_finished
        assert heard == []

    def test_it_stops_between_two_subscriptions(self):
        first, second = updates(name="t.first"), updates(name="t.second")
        notes("a")
        assert not drain(should_stop=lambda: bool(first)).is_finished
        assert (first.reasons, second) == (["a"], [])


@pytest.mark.usefixtures("log")
class TestParked:
    def test_where_it_blocks_one_that_ended_its_process_holds_the_rest(self):
        heard = updates(max_attempts=2, on_dead="block")
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        ParkedEvent.objects.filter(state="retry").update(attempts=2)
        make_due()
        drain()
        assert parked() == [("bad", "dead", 2), ("b", "waiting", 0)]

    def test_outside_a_transaction_new_ones_follow_a_retry_in_one_turn(self):
        heard = updates(atomic=False)
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        heard.fail.clear()
        make_due()
        notes("c", "d")
        drain()
        assert heard.reasons == ["bad", "c", "d"]
        assert (shard().running, shard().cursor) == (None, 6)

    def test_one_that_was_skipped_before_it_ran_does_not_run(self, monkeypatch):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        heard.fail.clear()
        make_due()
        due = Parking.due

        def due_and_skipped(self, *args):
            rows = due(self, *args)
            skip(ParkedEvent.objects.using("default").all(), because="no")
            return rows

        monkeypatch.setattr(Parking, "due", due_and_skipped)
        drain()
        assert heard == []
        assert [state for _, state, _ in parked()] == ["skipped"]


@pytest.mark.django_db
def test_in_a_testcase_what_the_database_is_to_blame_for_is_tried_again_too():
    heard = updates()
    left = [InterfaceError("connection already closed")]
    heard.fail["a"] = lambda event: left.pop() if left else None
    notes("a")
    assert drain().delivered == 1
    assert parked() == []


def test_a_wait_counts_attempts_from_nought():
    with pytest.raises(ValueError, match="attempt is -1"):
        full_jitter(-1, base=timedelta(1), cap=timedelta(1))
