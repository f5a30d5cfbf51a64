"""What each context says, how they nest, and where they hold."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from django.db.models import Model
from django.utils.translation import gettext_lazy

from django_clean_timestamps.context import (
    no_touching,
    preserve_timestamps,
    stamped_at,
    timestamp_context,
    without_events,
)
from django_clean_timestamps.context.frame import EMPTY_FRAME, Frame, current_frame, leave_frame
from django_clean_timestamps.exceptions import InvalidTimestampError
from tests.testapp.models import Animal, Dog, Note, NoteProxy, Puppy

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

CONTEXTS = {
    "timestamp_context": (lambda: timestamp_context(reason="r"), lambda frame: frame.reason == "r"),
    "stamped_at": (lambda: stamped_at(NOON), lambda frame: frame.moment == NOON),
    "no_touching": (no_touching, lambda frame: frame.touches_suspended(Note)),
    "preserve_timestamps": (preserve_timestamps, lambda frame: frame.stamps_preserved(Note)),
    "without_events": (without_events, lambda frame: frame.events_suspended(Note)),
}
every_context = pytest.mark.parametrize(("make", "holds"), CONTEXTS.values(), ids=CONTEXTS)


@pytest.fixture(autouse=True)
def nothing_is_left_over():
    assert current_frame() is EMPTY_FRAME
    yield
    assert current_frame() is EMPTY_FRAME


@every_context
def test_a_context_holds_inside_and_not_after(make, holds):
    assert not holds(current_frame())
    with make() as context:
        assert holds(current_frame())
    assert not holds(current_frame())
    assert isinstance(context, type(make()))


@every_context
def test_a_context_survives_exceptions(make, holds):
    with pytest.raises(ZeroDivisionError), make():
        raise ZeroDivisionError
    assert not holds(current_frame())


@every_context
def test_a_context_can_be_entered_again_and_while_it_is_open(make, holds):
    context = make()
    for _ in range(2):
        with context:
            with context:
                assert holds(current_frame())
            assert holds(current_frame())


@every_context
def test_a_context_of_another_thread_does_not_hold_here(make, holds):
    inside, leave = threading.Event(), threading.Event()
    seen = []

    def work():
        with make():
            inside.set()
            leave.wait(10)
            seen.append(holds(current_frame()))

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    assert not holds(current_frame())
    leave.set()
    thread.join()
    assert seen == [True]


@every_context
def test_one_context_object_serves_two_threads_at_once(make, holds):
    context = make()
    both_inside = threading.Barrier(2, timeout=10)
    seen, errors = [], []

    def work(leaves_first):
        try:
            with context:
                both_inside.wait()
                if not leaves_first:
                    first_left.wait(10)
                seen.append(holds(current_frame()))
            first_left.set()
            seen.append(not holds(current_frame()))
        except Exception as error:  # noqa: BLE001 - the test's thread hands it over
            errors.append(error)

    first_left = threading.Event()
    threads = [threading.Thread(target=work, args=(first,)) for first in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen, errors) == ([True] * 4, [])


@every_context
def test_each_async_task_is_in_its_own_context(make, holds):
    async def inside():
        with make():
            await asyncio.sleep(0)
            assert holds(current_frame())
            await asyncio.sleep(0)

    async def outside():
        for _ in range(4):
            assert not holds(current_frame())
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(inside(), outside(), inside())

    asyncio.run(both())


@every_context
def test_a_task_is_in_the_context_that_it_was_made_in(make, holds):
    async def child():
        await asyncio.sleep(0)
        return holds(current_frame())

    async def parent():
        with make():
            task = asyncio.create_task(child())
        return await task

    assert asyncio.run(parent()) is True


def test_leaving_what_was_never_entered_changes_nothing():
    with timestamp_context(reason="a"):
        leave_frame(object())
        assert current_frame().reason == "a"


def test_an_inner_context_that_was_never_left_goes_with_the_outer_one():
    def generator():
        with timestamp_context(reason="inner"):
            yield

    outer = timestamp_context(reason="outer")
    with outer:
        given_up = generator()
        next(given_up)
        assert current_frame().reason == "inner"
    assert current_frame() is EMPTY_FRAME
    given_up.close()


def test_contexts_that_are_left_out_of_order_end_with_nothing():
    first, second = timestamp_context(reason="first"), timestamp_context(reason="second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)


# timestamp_context.


def test_nested_contexts_add_up_and_the_inner_one_wins():
    with timestamp_context(reason="a", actor="ann", correlation_id="c", one=1, two=1):
        with timestamp_context(reason="b", two=2, three=3):
            frame = current_frame()
            assert (frame.reason, frame.actor_text(), frame.correlation_id) == ("b", "ann", "c")
            assert frame.metadata == {"one": 1, "two": 2, "three": 3}
        assert current_frame().metadata == {"one": 1, "two": 1}
        with timestamp_context(actor="bob"):
            assert current_frame().metadata == {"one": 1, "two": 1}
            assert (current_frame().reason, current_frame().actor_text()) == ("a", "bob")


def test_an_empty_text_wins_too():
    with timestamp_context(reason="a", actor="ann"), timestamp_context(reason="", actor=""):
        assert (current_frame().reason, current_frame().actor_text()) == ("", "")


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan"), "nul \0 inside", "half \ud83d"])
def test_metadata_that_json_cannot_hold_is_refused_at_once(value):
    with pytest.raises(InvalidTimestampError, match="timestamp_context\\(order="):
        timestamp_context(order=value)


@pytest.mark.parametrize("value", [["a", {"b": "nul \0"}], {"nul \0": 1}, ("nul \0",)])
def test_a_nul_is_found_inside_metadata(value):
    with pytest.raises(InvalidTimestampError, match="character NUL"):
        timestamp_context(order=value)


@pytest.mark.parametrize("value", ["a text like \\u0000", ["\\u0000", 1, None, True]])
def test_what_only_looks_like_a_nul_is_taken(value):
    with timestamp_context(order=value):
        assert current_frame().metadata["order"] == value


def test_metadata_that_holds_itself_is_refused_at_once():
    value = []
    value.append(value)
    with pytest.raises(InvalidTimestampError, match="JSON cannot hold"):
        timestamp_context(order=value)


def test_metadata_in_force_cannot_be_changed():
    with timestamp_context(a=1), pytest.raises(TypeError):
        current_frame().metadata["a"] = 2


def test_the_actor_is_asked_for_only_when_it_is_needed():
    asked = []

    def actor():
        asked.append(1)
        return 42

    with timestamp_context(actor=actor):
        assert asked == []
        assert current_frame().actor_text() == "42"
        assert asked == [1]


def test_an_actor_that_is_asked_for_may_be_nobody():
    with timestamp_context(actor=lambda: None):
        assert current_frame().actor_text() == ""
    assert EMPTY_FRAME.actor_text() == ""


def test_reason_actor_and_correlation_become_text():
    with timestamp_context(reason=gettext_lazy("yes"), actor=5, correlation_id=NOON):
        frame = current_frame()
        assert (frame.reason, frame.actor, frame.correlation_id) == ("yes", "5", str(NOON))


def test_texts_are_keyword_only():
    with pytest.raises(TypeError):
        timestamp_context("reason")


# stamped_at.


@pytest.mark.parametrize("when", [None, "2026-01-01", 5])
def test_stamped_at_takes_a_datetime(when):
    with pytest.raises(TypeError, match="takes an aware datetime"):
        stamped_at(when)


def test_the_inner_moment_wins():
    other = datetime(2025, 1, 1, tzinfo=UTC)
    with stamped_at(NOON):
        with stamped_at(other):
            assert current_frame().moment == other
        assert current_frame().moment == NOON


# Suspensions.

SUSPENSIONS = {
    "no_touching": (no_touching, Frame.touches_suspended),
    "preserve_timestamps": (preserve_timestamps, Frame.stamps_preserved),
    "without_events": (without_events, Frame.events_suspended),
}
every_suspension = pytest.mark.parametrize(("suspend", "covers"), SUSPENSIONS.values(), ids=SUSPENSIONS)


@every_suspension
def test_without_models_all_are_meant(suspend, covers):
    assert not covers(current_frame(), Note)
    with suspend():
        assert covers(current_frame(), Note)
        assert covers(current_frame(), Animal)


@every_suspension
def test_a_class_stands_for_itself_its_proxies_and_its_subclasses(suspend, covers):
    with suspend(Note):
        assert [covers(current_frame(), model) for model in (Note, NoteProxy, Animal)] == [True, True, False]
    with suspend(Dog):
        assert [covers(current_frame(), model) for model in (Dog, Puppy, Animal)] == [True, True, False]
    with suspend(NoteProxy):
        assert [covers(current_frame(), model) for model in (NoteProxy, Note)] == [True, False]


@every_suspension
def test_nested_suspensions_add_up(suspend, covers):
    with suspend(Note):
        with suspend(Dog):
            assert [covers(current_frame(), model) for model in (Note, Dog, Animal)] == [True, True, False]
        assert [covers(current_frame(), model) for model in (Note, Dog)] == [True, False]
        with suspend():
            assert covers(current_frame(), Animal)
            with suspend(Note):
                assert covers(current_frame(), Animal)


@every_suspension
@pytest.mark.parametrize("wrong", ["testapp.Note", None, 5, str, Note(title="instance")])
def test_suspensions_take_model_classes(suspend, covers, wrong):
    with pytest.raises(TypeError, match=rf"{suspend.__name__}\(\) takes model classes, not "):
        suspend(Note, wrong)


def test_an_abstract_class_stands_for_all_that_is_built_on_it():
    from tests.testapp.models import Abstract, Chained

    with without_events(Abstract):
        assert current_frame().events_suspended(Chained)
        assert not current_frame().events_suspended(Note)
    with without_events(Model):
        assert current_frame().events_suspended(Note)


def test_suspensions_and_contexts_do_not_disturb_each_other():
    with no_touching(Note), stamped_at(NOON), timestamp_context(reason="a"), preserve_timestamps(Dog), without_events():
        frame = current_frame()
        assert frame == Frame(
            reason="a",
            moment=NOON,
            untouched=frozenset({Note}),
            preserved=frozenset({Dog}),
            eventless=frozenset(),
        )
