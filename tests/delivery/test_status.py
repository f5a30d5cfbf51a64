"""How deliveries stand."""

import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.operations import pause, reshard
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.delivery.status import read_subscriptions
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.delivery.deliveries import BROKEN, HERE, lease_to_other, notes, touch, updates

pytestmark = pytest.mark.usefixtures("log")


def status(name="tests.heard"):
    return next(each for each in read_subscriptions("default") if each.handler == name)


def test_where_nobody_subscribes_there_is_none():
    assert read_subscriptions("default") == []


def test_one_that_is_through_is_well():
    updates()
    notes("a")
    drain()
    found = status()
    assert (found.using, found.log_alias, found.slot_from, found.slot_to) == ("default", "default", 0, 255)
    assert (found.cursor, found.lag_count, found.lag_seconds, found.state) == (2, 0, None, "active")
    assert (found.owner, found.lease_until, found.problem, found.resume_at) == ("", None, "", None)
    assert (found.shards_declared, found.is_orphan, found.is_well) == (1, False, True)


def test_what_lies_before_it_is_counted_and_has_an_age():
    updates()
    drain()
    notes("a", "b")
    sequence()
    found = status()
    assert found.lag_count == 4
    assert 0 <= found.lag_seconds < 60
    assert found.is_well


def test_where_the_next_event_is_gone_the_age_is_not_known():
    updates()
    drain()
    notes("a", "b")
    sequence()
    Event.objects.filter(position=1).delete()
    assert (status().lag_count, status().lag_seconds) == (4, None)


def test_what_is_parked_is_counted_in_its_shard():
    heard = updates(max_attempts=1, name="t.dead")
    heard.fail["bad"] = BROKEN
    heard = updates(shards=2)
    heard.fail["bad"] = BROKEN
    [note] = notes("bad")
    touch(note, "b", "c")
    drain()
    found = [each for each in read_subscriptions("default") if each.handler == "tests.heard"]
    assert sorted((each.retry_count, each.waiting_count, each.dead_count) for each in found) == [(0, 0, 0), (1, 2, 0)]
    assert (status("t.dead").dead_count, status("t.dead").is_well) == (1, False)


def test_an_orphan_is_known():
    updates()
    drain()
    with only_handlers():
        found = status()
    assert (found.is_orphan, found.shards_declared, found.is_well) == (True, None, False)


def test_one_that_was_paused_by_hand_is_well():
    updates()
    drain()
    pause("tests.heard", HERE)
    assert (status().state, status().is_well) == ("paused", True)


def test_one_that_backs_off_is_not():
    heard = updates()
    heard.fail.update(dict.fromkeys(map(str, range(30)), BROKEN))
    notes(*map(str, range(30)))
    drain()
    found = status()
    assert (found.state, found.failures, found.problem, found.is_well) == (
        "backing_off",
        20,
        "ValueError: broken",
        False,
    )
    assert found.resume_at is not None


def test_who_has_it_is_named():
    updates()
    drain()
    lease_to_other()
    assert status().owner == "other:1:x"
    assert status().lease_until is not None


def test_resharding_shows():
    updates(shards=3)
    drain()
    reshard("tests.heard", HERE, 2)
    assert (status().until, status().shards_wanted, status().shards_declared) == (0, 2, 3)


def test_subscriptions_in_other_databases_are_found():
    updates(using="other")
    drain()
    assert [each.using for each in read_subscriptions("default")] == ["other"]
    assert read_subscriptions("default", ["default"]) == []
    assert read_subscriptions("other") == []


def test_they_are_in_order_of_name_and_slot():
    updates(name="t.b")
    updates(name="t.a", shards=2)
    drain()
    found = [(each.handler, each.slot_from) for each in read_subscriptions("default")]
    assert found == [("t.a", 0), ("t.a", 128), ("t.b", 0)]
