"""Running a function inside a context manager, whatever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

__all__ = ["cover"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
Context = AbstractContextManager[Any]


def cover(function: FunctionT, context: Context) -> FunctionT:
    """
    Return the function, run inside the context at each call.

    A generator (plain or async) is inside while it runs and outside while it waits for its consumer;
    ``contextlib.ContextDecorator`` would leave the context before the first step. The context is entered anew for each
    call and step, also while another call is inside.
    """
    if inspect.isasyncgenfunction(function):
        covered: Callable[..., Any] = _cover_async_generator(function, context)
    elif inspect.iscoroutinefunction(function):
        covered = _cover_coroutine(function, context)
    elif inspect.isgeneratorfunction(function):
        covered = _cover_generator(function, context)
    else:
        covered = _cover_plain(function, context)
    return cast("FunctionT", covered)


def _cover_plain(function: Callable[..., Any], context: Context) -> Callable[..., Any]:
    @functools.wraps(function)
    def covered(*args: Any, **kwargs: Any) -> Any:
        with context:
            return function(*args, **kwargs)

    return covered


def _cover_coroutine(function: Callable[..., Any], context: Context) -> Callable[..., Any]:
    @functools.wraps(function)
    async def covered(*args: Any, **kwargs: Any) -> Any:
        with context:
            return await function(*args, **kwargs)

    return covered


def _cover_generator(function: Callable[..., Any], context: Context) -> Callable[..., Any]:
    @functools.wraps(function)
    def covered(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = function(*args, **kwargs)
        resume, value = steps.send, None
        try:
            while True:
                try:
                    with context:
                        item = resume(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    resume, value = steps.send, (yield item)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - handed to the generator, which decides
                    resume, value = steps.throw, error
        finally:
            with context:
                steps.close()

    return covered


def _cover_async_generator(function: Callable[..., Any], context: Context) -> Callable[..., Any]:
    @functools.wraps(function)
    async def covered(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = function(*args, **kwargs)
        resume, value = steps.asend, None
        try:
            while True:
                try:
                    with context:
                        item = await resume(value)
                except StopAsyncIteration:
                    return
                try:
                    resume, value = steps.asend, (yield item)
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - handed to the generator, which decides
                    resume, value = steps.athrow, error
        finally:
            with context:
                await steps.aclose()

    return covered
