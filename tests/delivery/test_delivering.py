"""Events reach their handlers: once, in order, from where a subscription begins."""

import pytest
from django.db import connection, transaction
from django.test.utils import override_settings

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampDeletedEvent, TimestampUpdatedEvent
from django_clean_timestamps.exceptions import SequencingError
from tests.delivery.deliveries import drained, notes, shard, subscribe, touch
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")

TINY = override_settings(CLEAN_TIMESTAMPS={"BATCH_SIZE": 3})


def test_each_event_is_heard_once_in_order():
    heard = subscribe()
    [note] = notes("a")
    touch(note, "b", "c")
    result = drain()
    assert heard.reasons == ["entity_created", "a", "b", "c"]
    assert (result.sequenced, result.delivered, result.parked, result.is_finished) == (4, 4, 0, True)
    assert drain().delivered == 0
    assert len(heard) == 4


def test_an_event_is_whole():
    heard = subscribe(TimestampUpdatedEvent)
    [note] = notes("a")
    with timestamp_context(actor="ann", correlation_id="x-1", place="desk"):
        note.touch("why")
    drain()
    event = heard[-1]
    assert (event.reason, event.actor, event.correlation_id, dict(event.metadata)) == (
        "why",
        "ann",
        "x-1",
        {"place": "desk"},
    )
    assert (event.entity_type, event.entity_id) == ("testapp.note", str(note.pk))
    assert event.new_timestamp == note.updated_at
    assert event.position == 3
    assert event.recorded_at is not None
    assert not event.replayed


def test_batches_of_any_size_miss_nothing_and_double_nothing():
    heard = subscribe()
    notes(*"abcdefgh")
    with TINY:
        assert drain().delivered == 16
    assert heard.positions == list(range(1, 17))


def test_a_list_is_heard_by_a_batch_handler():
    heard = subscribe(TimestampUpdatedEvent, batch=True)
    notes(*"abcde")
    with TINY:
        drain()
    assert heard.calls == [["a", "b", "c"], ["d", "e"]]


def test_only_the_types_that_were_asked_for_are_heard():
    created, ended = (
        subscribe(TimestampCreatedEvent, name="t.created"),
        subscribe(TimestampDeletedEvent, name="t.deleted"),
    )
    both = subscribe(TimestampCreatedEvent, TimestampDeletedEvent, name="t.both")
    [note] = notes("a")
    note.delete()
    drain()
    assert [type(event) for event in created] == [TimestampCreatedEvent]
    assert [type(event) for event in ended] == [TimestampDeletedEvent]
    assert [type(event) for event in both] == [TimestampCreatedEvent, TimestampDeletedEvent]


@pytest.mark.parametrize(
    ("sender", "types"),
    [
        (Note, {"testapp.note"}),
        ("testapp.Project", {"testapp.project"}),
        ((Note, "testapp.project"), {"testapp.note", "testapp.project"}),
        (None, {"testapp.note", "testapp.project", "testapp.task"}),
    ],
)
def test_only_the_models_that_were_asked_for_are_heard(sender, types):
    heard = subscribe(sender=sender)
    notes("a")
    Project.objects.create().tasks.create()
    drain()
    assert {event.entity_type for event in heard} == types


def test_a_model_that_is_gone_is_heard_by_its_label():
    heard = subscribe(sender="oldapp.thing")
    notes("a")
    Pending.objects.update(entity_type="oldapp.thing")
    drain()
    assert [event.entity_type for event in heard] == ["oldapp.thing"] * 2


def test_two_handlers_are_two_cursors():
    first, second = subscribe(name="t.first"), subscribe(name="t.second")
    notes("a")
    drain()
    assert first.positions == second.positions == [1, 2]
    assert Subscription.objects.count() == 2


def test_what_a_handler_does_not_hear_is_passed_over():
    heard = subscribe(sender=Project)
    notes(*"abcdefgh")
    with override_settings(CLEAN_TIMESTAMPS={"BATCH_SIZE": 1}):
        assert drain().delivered == 0
    assert heard == []
    assert (shard().cursor, shard().epoch) == (16, 0)


class TestBeginning:
    def test_what_was_written_before_the_first_drain_ever_is_heard(self):
        notes("a")
        heard = subscribe()
        drain()
        assert heard.positions == [1, 2]
        assert shard().start == 0

    def test_a_handler_that_is_new_begins_at_the_head_before_that_drain(self):
        notes("old")
        sequence()
        notes("new")
        heard = subscribe()
        drain()
        assert heard.reasons == ["entity_created", "new"]
        assert shard().start == 2

    def test_with_replay_it_begins_at_the_oldest_event_that_is_retained(self):
        notes(*"abc")
        sequence()
        Event.objects.filter(position__lte=2).delete()
        notes("new")
        heard = subscribe(replay="all")
        drain()
        assert heard.positions == list(range(3, 9))
        assert [event.replayed for event in heard] == [True] * 4 + [False] * 2

    def test_with_replay_of_an_empty_log_it_begins_with_what_comes(self):
        heard = subscribe(replay="all")
        drain()
        notes("a")
        drain()
        assert heard.positions == [1, 2]
        assert not any(event.replayed for event in heard)

    def test_where_the_heads_row_is_lost_it_begins_behind_what_is_there(self):
        notes("old")
        sequence()
        LogHead.objects.all().delete()
        heard = subscribe()
        drain()
        notes("new")
        drain()
        assert heard.reasons == ["entity_created", "new"]

    def test_the_rows_of_a_subscription_are_made_once(self):
        subscribe(shards=3)
        drained(times=2)
        rows = Subscription.objects.order_by("slot_from").values_list("slot_from", "slot_to")
        assert list(rows) == [(0, 84), (85, 169), (170, 255)]

    def test_who_divides_otherwise_at_the_same_moment_makes_no_second_division(self):
        from django_clean_timestamps.delivery.registry import get_handlers, only_handlers
        from django_clean_timestamps.delivery.subscriptions import bear

        subscribe(shards=2)
        drain()
        with only_handlers():
            subscribe(shards=3)
            bear(get_handlers().values(), "default", head=0, oldest=1)
        assert Subscription.objects.count() == 2

    def test_a_log_that_cannot_hold_its_models_is_not_subscribed_to(self):
        subscribe(sender="auth.user", name="t.nowhere")
        drain("other")
        drain("default")
        assert {row.log_alias for row in Subscription.objects.all()} <= {"default"}


class TestAtomic:
    def test_effect_and_cursor_commit_together(self):
        @on_timestamp(TimestampCreatedEvent, sender=Project, name="t.effect")
        def write(event):
            assert connection.in_atomic_block
            Note.objects.create(title=event.entity_id)

        Project.objects.create()
        drain()
        assert Note.objects.count() == 1
        # The note's own event, which nobody hears.
        assert shard("t.effect").cursor == Event.objects.count() == 2

    def test_the_handlers_own_writes_are_heard_in_the_same_drain(self):
        heard = subscribe(TimestampCreatedEvent)

        @on_timestamp(TimestampCreatedEvent, sender=Project, name="t.effect")
        def write(event):
            Note.objects.create()

        Project.objects.create()
        drain()
        assert len(heard) == 1

    def test_an_error_rolls_back_what_was_done_of_the_batch(self):
        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="t.effect")
        def write(event):
            Project.objects.create(name=event.reason)
            if event.reason == "bad":
                raise ValueError

        notes("a", "bad", "c")
        drain()
        assert list(Project.objects.order_by("pk").values_list("name", flat=True)) == ["a", "c"]


def test_inside_a_transaction_nothing_is_drained():
    subscribe()
    with transaction.atomic(), pytest.raises(SequencingError, match="after COMMIT"):
        drain()


class TestCoalescing:
    def test_of_each_entity_the_last_event_of_a_batch_is_heard(self):
        heard = subscribe(TimestampUpdatedEvent, coalesce=True)
        first, second = notes("a", "b")
        touch(first, "a2")
        touch(second, "b2", "b3")
        touch(first, "a3")
        assert drain().delivered == 2
        assert heard.reasons == ["b3", "a3"]
        assert shard().cursor == 8

    def test_a_list_holds_the_last_ones(self):
        heard = subscribe(TimestampUpdatedEvent, coalesce=True, batch=True)
        first, _ = notes("a", "b")
        touch(first, "a2")
        drain()
        assert heard.calls == [["b", "a2"]]

    def test_over_batches_an_entity_is_heard_once_for_each(self):
        heard = subscribe(TimestampUpdatedEvent, coalesce=True)
        [note] = notes("1")
        touch(note, *"234567")
        with TINY:
            drain()
        assert heard.reasons == ["3", "6", "7"]


class TestShards:
    def test_each_entity_belongs_to_one(self):
        heard = subscribe(shards=4)
        notes(*(str(number) for number in range(30)))
        drain()
        assert sorted(heard.positions) == list(range(1, 61))
        assert set(Subscription.objects.values_list("cursor", flat=True)) == {60}

    def test_each_hears_its_own_slots(self):
        heard = subscribe(shards=2)
        notes(*(str(number) for number in range(20)))
        drain()
        slots = dict(Event.objects.values_list("position", "slot"))
        order = [slots[position] < 128 for position in heard.positions]
        assert order == sorted(order, reverse=True)
        assert set(order) == {True, False}


class TestLimits:
    def test_time_that_is_up_ends_it_between_batches(self):
        heard = subscribe()
        notes("a")
        result = drain(seconds=0)
        assert not result.is_finished
        assert heard == []

    def test_whoever_wants_to_stop_is_asked_between_batches(self):
        heard = subscribe()
        notes(*"abcdef")
        with TINY:
            result = drain(should_stop=lambda: len(heard) >= 3)
        assert (len(heard), result.is_finished) == (3, False)

    def test_without_handlers_it_sequences(self):
        notes("a")
        assert drain().sequenced == 2
        assert Subscription.objects.count() == 0
