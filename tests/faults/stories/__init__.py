"""
What happens in a process of its own: ``python -m tests.faults.stories NAME '{"argument": …}'`` prints the result as JSON.

The tests start these on the database of their choice, some of them with a fault armed. Each module holds the stories of
one kind, and is loaded once Django is set up.
"""

from __future__ import annotations

import pkgutil
import random
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

__all__ = ["STORIES", "load", "say", "story", "writer_of"]

StoryT = TypeVar("StoryT", bound=Callable[..., Any])
STORIES: dict[str, Callable[..., Any]] = {}


def story(function: StoryT) -> StoryT:
    """Let a function be started by its name."""
    STORIES[function.__name__] = function
    return function


def load() -> None:
    """Import every module of stories, once Django is set up."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def writer_of(seed: int = 0) -> Any:
    """Return a writer that chooses by a seed."""
    from tests.faults.writes import Writer

    return Writer(random.Random(seed))


def say(text: str) -> None:
    """Print a line that the test reads at once."""
    print(text, flush=True)  # noqa: T201
