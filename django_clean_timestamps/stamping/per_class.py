"""Answers that are worked out once for each model class."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["per_class"]

FunctionT = TypeVar("FunctionT", bound=Callable[[Any], Any])


def per_class(function: FunctionT) -> FunctionT:
    """
    Return the function of a model class, with its answers kept.

    ``functools.cache`` by another type: it asks for a hashable argument, which type checkers deny of Django's models.
    """
    return cast("FunctionT", functools.cache(function))
