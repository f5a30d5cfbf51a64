"""What people do to deliveries: they pause, retry and skip them, and rename and forget handlers."""

from datetime import timedelta

import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.operations import (
    forget,
    pause,
    rename,
    resume,
    retry,
    retry_from,
    skip,
)
from django_clean_timestamps.delivery.places import cursors_of_log, delivery_aliases, places_of
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.eventlog.retention import prune
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import DeliveryError
from tests.delivery.deliveries import BROKEN, HERE, OTHER, make_due, notes, parked, shard, touch, updates

pytestmark = pytest.mark.usefixtures("log")


def all_parked():
    return ParkedEvent.objects.using("default").all()


class TestPausing:
    def test_a_paused_handler_hears_nothing_until_it_is_resumed(self):
        heard = updates()
        drain()
        assert pause("tests.heard", HERE) == 1
        assert pause("tests.heard", HERE) == 0
        notes("a")
        drain()
        assert (heard, shard().state) == ([], "paused")
        assert resume("tests.heard", HERE) == 1
        drain()
        assert heard.reasons == ["a"]

    def test_a_batch_that_is_under_way_comes_to_its_end(self):
        heard = updates()
        heard.fail["a"] = lambda event: pause("tests.heard", HERE) and None
        notes("a", "b")
        drain()
        assert heard.reasons == ["a", "b"]
        assert (shard().state, shard().cursor) == ("paused", 4)

    def test_one_that_backs_off_is_resumed_at_once(self):
        heard = updates()
        heard.fail.update(dict.fromkeys(map(str, range(30)), BROKEN))
        notes(*map(str, range(30)))
        drain()
        heard.fail.clear()
        assert resume("tests.heard", HERE) == 1
        row = shard()
        assert (row.state, row.failures, row.problem, row.resume_at) == ("active", 0, "", None)
        drain()
        assert len(heard) == 10

    def test_paused_while_it_backs_off_it_stays_paused(self):
        heard = updates(atomic=False)
        heard.fail.update(dict.fromkeys(map(str, range(30)), BROKEN))
        heard.fail["19"] = lambda event: (pause("tests.heard", HERE) and None) or BROKEN
        notes(*map(str, range(30)))
        drain()
        assert shard().state == "paused"

    def test_others_are_left_alone(self):
        updates(name="t.other")
        updates()
        drain()
        pause("tests.heard", HERE)
        assert shard("t.other").state == "active"


class TestRetrying:
    def fail(self, *reasons, **options):
        heard = updates(**options)
        heard.fail.update(dict.fromkeys(reasons, BROKEN))
        return heard

    def test_what_is_to_be_retried_later_is_due_at_once(self):
        heard = self.fail("bad")
        notes("bad")
        drain()
        heard.fail.clear()
        told = []
        assert retry(all_parked(), progress=told.append) == 1
        drain()
        assert (heard.reasons, parked(), told) == (["bad"], [], [1])

    def test_a_dead_one_has_all_its_attempts_again(self):
        self.fail("bad", max_attempts=2)
        notes("bad")
        drain()
        make_due()
        drain()
        assert parked() == [("bad", "dead", 2)]
        retry(all_parked())
        assert parked() == [("bad", "retry", 0)]
        drain()
        assert parked() == [("bad", "retry", 1)]

    def test_two_who_retry_the_same_do_no_harm(self):
        heard = self.fail("bad")
        notes("bad")
        drain()
        heard.fail.clear()
        retry(all_parked())
        retry(all_parked())
        drain()
        assert heard.reasons == ["bad"]
        assert retry(all_parked()) == 0

    def test_dead_ones_of_one_entity_come_in_order(self):
        heard = self.fail("x", "y", max_attempts=1)
        [note] = notes("x")
        touch(note, "y")
        drain()
        assert parked() == [("x", "dead", 1), ("y", "dead", 1)]
        heard.fail.clear()
        retry(all_parked())
        assert parked() == [("x", "retry", 0), ("y", "waiting", 0)]
        drain()
        assert heard.reasons == ["x", "y"]

    def test_an_earlier_one_that_is_retried_goes_before_what_waits(self):
        heard = self.fail("x", "y", max_attempts=2)
        [note] = notes("x")
        drain()
        make_due()
        drain()
        touch(note, "y")
        drain()
        assert parked() == [("x", "dead", 2), ("y", "retry", 1)]
        heard.fail.clear()
        retry(all_parked().filter(state="dead"))
        assert parked() == [("x", "retry", 0), ("y", "waiting", 1)]
        drain()
        assert heard.reasons == ["x", "y"]

    def test_what_waits_or_was_skipped_is_left_out(self):
        self.fail("bad")
        [note] = notes("bad")
        touch(note, "b")
        drain()
        skip(all_parked().filter(state="retry"), because="it is spam")
        assert retry(all_parked().exclude(state="retry")) == 0

    def test_from_a_dead_one_on_the_entity_is_heard_again(self):
        heard = self.fail("bad", max_attempts=1)
        [note] = notes("a")
        touch(note, "bad", "b", "c")
        drain()
        assert heard.reasons == ["a", "b", "c"]
        heard.fail.clear()
        [row] = ParkedEvent.objects.using("default")
        assert retry_from(row) == 3
        assert [(reason, state) for reason, state, _ in parked()] == [
            ("bad", "retry"),
            ("b", "waiting"),
            ("c", "waiting"),
        ]
        drain()
        assert heard.reasons == ["a", "b", "c", "bad", "b", "c"]
        assert [event.replayed for event in heard] == [False] * 3 + [True] * 3


class TestSkipping:
    def test_its_followers_go_on(self):
        heard = updates(on_dead="block", max_attempts=1)
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        assert skip(all_parked().filter(state="dead"), because=" the customer is gone ") == 1
        drain()
        assert heard.reasons == ["b"]
        row = ParkedEvent.objects.get()
        assert row.state == "skipped"
        assert row.last_error == "Skipped, because the customer is gone\nValueError: broken"

    def test_one_that_waits_can_be_skipped_too(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b", "c")
        drain()
        skip(all_parked().filter(event__reason="b"), because="no")
        assert ParkedEvent.objects.get(state="skipped").last_error == "Skipped, because no"
        heard.fail.clear()
        make_due()
        drain()
        assert heard.reasons == ["bad", "c"]

    def test_a_skipped_one_is_skipped_once(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        assert skip(all_parked(), because="no") == 1
        assert skip(all_parked(), because="no") == 0

    @pytest.mark.parametrize("because", ["", "  "])
    def test_without_a_reason_nothing_is_skipped(self, because):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        with pytest.raises(DeliveryError, match="for a reason"):
            skip(all_parked(), because=because)
        assert parked() == [("bad", "retry", 1)]

    def test_where_a_dead_one_blocks_those_behind_the_skipped_one_wait_on(self):
        heard = updates(on_dead="block", max_attempts=1)
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b", "c")
        drain()
        skip(all_parked().filter(event__reason="b"), because="no")
        drain()
        assert parked()[2] == ("c", "waiting", 0)

    def test_one_that_was_skipped_meanwhile_holds_nobody(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        first, second = notes("bad", "good")
        drain()
        touch(first, "b")

        def skip_first(event):
            skip(all_parked(), because="no")

        # While the batch runs that has found the event held.
        touch(second, "now")
        heard.fail["now"] = skip_first
        drain()
        assert sorted(heard.reasons) == ["b", "good", "now"]
        assert [state for _, state, _ in parked()] == ["skipped"]


class TestNames:
    def test_a_renamed_handler_goes_on_where_it_was(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad", "a")
        drain()
        notes("b")
        with only_handlers():
            renamed = updates(name="tests.renamed")
            assert rename("tests.heard", "tests.renamed", HERE) == 1
            make_due()
            drain()
        assert sorted(renamed.reasons) == ["b", "bad"]
        assert not Subscription.objects.filter(handler="tests.heard").exists()

    def test_a_name_that_began_already_is_not_taken_over(self):
        updates()
        updates(name="tests.renamed")
        drain()
        with pytest.raises(DeliveryError, match=r"began at position 0 and is at 0.*timestamps_forget tests\.renamed"):
            rename("tests.heard", "tests.renamed", HERE)
        assert shard().handler == "tests.heard"

    @pytest.mark.parametrize("name", ["", "x" * 151])
    def test_a_name_that_does_not_fit_is_refused(self, name):
        with pytest.raises(DeliveryError, match="1 to 150 are wanted"):
            rename("tests.heard", name, HERE)

    def test_what_is_forgotten_holds_nothing_back(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        with only_handlers():
            assert forget("tests.heard", HERE) == (1, 1)
        assert list(cursors_of_log("default")) == []
        assert parked() == []

    def test_one_that_is_in_the_code_is_not_forgotten_by_mistake(self):
        updates()
        drain()
        with pytest.raises(DeliveryError, match="is in the code"):
            forget("tests.heard", HERE)
        assert forget("tests.heard", HERE, force=True) == (1, 0)


class TestPlaces:
    def test_they_are_found_by_subscriptions_and_by_parked_events(self):
        updates()
        updates(name="t.elsewhere", using="other")
        drain()
        assert list(places_of("tests.heard")) == [HERE]
        assert list(places_of("t.elsewhere")) == [OTHER]
        assert list(places_of("t.elsewhere", ["default"])) == []
        assert delivery_aliases() == ("default", "other")

    def test_cursors_hold_back_what_is_pruned(self):
        updates(name="t.elsewhere", using="other")
        drain()
        notes("a", "b")
        sequence()
        assert list(cursors_of_log("default")) == [0]
        assert prune("default", older_than=timedelta(0)) == 0
        drain()
        assert prune("default", older_than=timedelta(0)) == 3
