"""A handler gets more shards, or fewer."""

import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.operations import (
    pause,
    replay,
    reshard,
)
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import DeliveryError
from tests.delivery.deliveries import (
    BROKEN,
    HERE,
    die,
    lease_to_other,
    make_due,
    notes,
    parked,
    shard,
    touch,
    updates,
)

pytestmark = pytest.mark.usefixtures("log")


class TestResharding:
    def slots(self, name="tests.heard"):
        rows = Subscription.objects.filter(handler=name).order_by("slot_from")
        return [(row.slot_from, row.slot_to) for row in rows]

    def test_the_new_shards_begin_where_the_old_ones_ended(self):
        heard = updates()
        notes("a", "b")
        drain()
        assert reshard("tests.heard", HERE, 3)
        notes("c", "d")
        drain()
        assert self.slots() == [(0, 84), (85, 169), (170, 255)]
        assert sorted(heard.reasons) == ["a", "b", "c", "d"]
        assert set(Subscription.objects.values_list("cursor", "until", "shards_wanted")) == {(8, None, None)}

    def test_until_then_what_is_new_waits(self):
        heard = updates(shards=2)
        drain()
        first = Subscription.objects.order_by("slot_from").first()
        notes(*map(str, range(20)))
        sequence()
        reshard("tests.heard", HERE, 1)
        Subscription.objects.filter(pk=first.pk).update(state="paused")
        notes("later")
        drain()
        assert "later" not in heard.reasons
        assert self.slots() == [(0, 127), (128, 255)]
        Subscription.objects.update(state="active")
        drain()
        assert self.slots() == [(0, 255)]
        assert sorted(heard.reasons) == sorted([*map(str, range(20)), "later"])

    def test_while_somebody_has_one_of_them_they_stay(self):
        updates()
        drain()
        reshard("tests.heard", HERE, 2)
        lease_to_other()
        drain()
        assert self.slots() == [(0, 255)]

    def test_a_worker_that_has_one_commits_nothing(self):
        updates()
        drain()
        epoch = shard().epoch
        reshard("tests.heard", HERE, 2)
        assert shard().epoch == epoch + 1

    def test_what_is_parked_stays_parked_in_its_slot(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        drain()
        reshard("tests.heard", HERE, 4)
        drain()
        touch(note, "b")
        drain()
        assert parked() == [("bad", "retry", 1), ("b", "waiting", 0)]
        heard.fail.clear()
        make_due()
        drain()
        assert heard.reasons == ["bad", "b"]

    def test_a_replay_goes_on_as_one(self):
        heard = updates()
        notes("a")
        drain()
        replay("tests.heard", HERE)
        Subscription.objects.update(replay_until=99)
        reshard("tests.heard", HERE, 2)
        drain()
        notes("b")
        drain()
        assert [event.replayed for event in heard] == [False, True, True]

    def test_asked_for_again_the_last_number_counts(self):
        updates()
        drain()
        lease_to_other()
        reshard("tests.heard", HERE, 2)
        reshard("tests.heard", HERE, 5)
        die()
        drain()
        assert len(self.slots()) == 5

    def test_a_paused_one_stays_paused(self):
        updates()
        drain()
        pause("tests.heard", HERE)
        reshard("tests.heard", HERE, 2)
        drain()
        assert set(Subscription.objects.values_list("state", flat=True)) == {"paused"}

    def test_the_number_in_the_code_is_no_order(self):
        updates()
        drain()
        with only_handlers():
            updates(shards=4)
            drain()
        assert self.slots() == [(0, 255)]

    @pytest.mark.parametrize("count", [0, 257, -1])
    def test_a_number_out_of_bounds_is_refused(self, count):
        with pytest.raises(DeliveryError, match="from 1 to 256"):
            reshard("tests.heard", HERE, count)

    def test_a_handler_without_a_subscription_has_nothing_to_divide(self):
        assert not reshard("tests.heard", HERE, 2)
