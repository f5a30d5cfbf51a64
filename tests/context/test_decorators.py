"""Contexts as decorators of every kind of function."""

import asyncio
import inspect
import threading

import pytest

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.context.frame import EMPTY_FRAME, current_frame

reason_given = timestamp_context(reason="given")


def reason():
    return current_frame().reason


@pytest.fixture(autouse=True)
def nothing_is_left_over():
    yield
    assert current_frame() is EMPTY_FRAME


# Plain functions.


def test_a_function_runs_inside():
    @reason_given
    def function(first, *, second):
        """Says so."""
        return reason(), first, second

    assert function(1, second=2) == ("given", 1, 2)
    assert (function.__name__, function.__doc__, reason()) == ("function", "Says so.", None)


def test_a_method_runs_inside():
    class Owner:
        @reason_given
        def method(self):
            return self, reason()

        @classmethod
        @reason_given
        def of_class(cls):
            return cls, reason()

    owner = Owner()
    assert owner.method() == (owner, "given")
    assert Owner.of_class() == (Owner, "given")


def test_a_recursive_function_runs_inside():
    @reason_given
    def count(depth):
        return [reason()] + (count(depth - 1) if depth else [])

    assert count(3) == ["given"] * 4


def test_a_function_that_raises_leaves_the_context():
    @reason_given
    def function():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        function()


def test_a_function_called_by_many_threads_at_once():
    barrier = threading.Barrier(4, timeout=10)
    seen = []

    @reason_given
    def function():
        barrier.wait()
        seen.append(reason())

    threads = [threading.Thread(target=function) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["given"] * 4


# Generators.


def test_a_generator_is_inside_while_it_runs_and_outside_while_it_waits():
    seen = []

    @reason_given
    def generator():
        for _ in range(2):
            seen.append(reason())
            yield reason()

    assert inspect.isgeneratorfunction(generator)
    for value in generator():
        assert (value, reason()) == ("given", None)
    assert seen == ["given"] * 2


def test_a_generator_receives_what_is_sent_and_returns_its_value():
    @reason_given
    def generator():
        received = yield "first"
        received = yield received * 2
        return received + 1, reason()

    steps = generator()
    assert next(steps) == "first"
    assert steps.send(5) == 10
    with pytest.raises(StopIteration) as stopped:
        steps.send(7)
    assert stopped.value.value == (8, "given")


def test_a_generator_catches_what_is_thrown_into_it():
    @reason_given
    def generator():
        try:
            yield 1
        except ZeroDivisionError:
            yield f"caught {reason()}"

    steps = generator()
    next(steps)
    assert steps.throw(ZeroDivisionError) == "caught given"


def test_what_a_generator_does_not_catch_comes_out():
    @reason_given
    def generator():
        yield 1

    steps = generator()
    next(steps)
    with pytest.raises(ZeroDivisionError):
        steps.throw(ZeroDivisionError)


def test_a_closed_generator_cleans_up_inside():
    seen = []

    @reason_given
    def generator():
        try:
            yield 1
        finally:
            seen.append(reason())

    steps = generator()
    next(steps)
    steps.close()
    assert seen == ["given"]


def test_generators_take_turns():
    def numbered(number):
        @timestamp_context(reason=str(number))
        def generator():
            for _ in range(3):
                yield reason()

        return generator()

    assert list(zip(numbered(1), numbered(2), strict=True)) == [("1", "2")] * 3


def test_a_generator_delegates():
    @reason_given
    def inner():
        value = yield reason()
        return value

    def outer():
        result = yield from inner()
        yield result, reason()

    steps = outer()
    assert next(steps) == "given"
    assert steps.send("sent") == ("sent", None)


# Coroutines.


def test_a_coroutine_runs_inside_also_after_it_waited():
    @reason_given
    async def coroutine():
        before = reason()
        await asyncio.sleep(0)
        return before, reason()

    assert inspect.iscoroutinefunction(coroutine)
    assert asyncio.run(coroutine()) == ("given", "given")


def test_a_coroutine_is_outside_until_it_is_awaited():
    @reason_given
    async def coroutine():
        return reason()

    async def call():
        waiting = coroutine()
        assert reason() is None
        return await waiting, reason()

    assert asyncio.run(call()) == ("given", None)


def test_concurrent_calls_of_one_coroutine_do_not_mix():
    @reason_given
    async def coroutine(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
            assert reason() == "given"
        return reason()

    async def call():
        results = await asyncio.gather(*(coroutine(turns) for turns in (3, 1, 2)))
        return results, reason()

    assert asyncio.run(call()) == (["given"] * 3, None)


def test_a_coroutine_that_raises_leaves_the_context():
    @reason_given
    async def coroutine():
        raise ZeroDivisionError

    async def call():
        with pytest.raises(ZeroDivisionError):
            await coroutine()
        return reason()

    assert asyncio.run(call()) is None


# Async generators.


def test_an_async_generator_is_inside_while_it_runs_and_outside_while_it_waits():
    @reason_given
    async def generator():
        for _ in range(2):
            await asyncio.sleep(0)
            yield reason()

    async def call():
        return [(value, reason()) async for value in generator()]

    assert inspect.isasyncgenfunction(generator)
    assert asyncio.run(call()) == [("given", None)] * 2


def test_an_async_generator_receives_what_is_sent_and_thrown():
    @reason_given
    async def generator():
        received = yield "first"
        try:
            yield received
        except ZeroDivisionError:
            yield f"caught {reason()}"

    async def call():
        steps = generator()
        return [await anext(steps), await steps.asend("sent"), await steps.athrow(ZeroDivisionError)]

    assert asyncio.run(call()) == ["first", "sent", "caught given"]


def test_a_closed_async_generator_cleans_up_inside():
    seen = []

    @reason_given
    async def generator():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append(reason())

    async def call():
        steps = generator()
        await anext(steps)
        await steps.aclose()
        return reason()

    assert asyncio.run(call()) is None
    assert seen == ["given"]


def test_what_an_async_generator_raises_comes_out():
    @reason_given
    async def generator():
        yield 1
        raise ZeroDivisionError

    async def call():
        steps = generator()
        await anext(steps)
        with pytest.raises(ZeroDivisionError):
            await anext(steps)
        return reason()

    assert asyncio.run(call()) is None
