"""Finding the model of a class in its type parameter."""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin

from django.core.exceptions import ImproperlyConfigured

from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["find_model", "resolve_model"]


def resolve_model(kind: type[Any], root: type[Any], given: Any = None) -> Any:
    """
    Return the model that instances of ``kind`` work with.

    It is the class's attribute ``model``, or else the type parameter of ``root``, or else the given one.

    Raises:
        ImproperlyConfigured: There is none, it is no concrete entity, or another one is given.
    """
    name = kind.__qualname__
    model = getattr(kind, "model", None) or find_model(kind, root)
    if model is None or isinstance(model, TypeVar):
        model = given
    if model is None:
        raise ImproperlyConfigured(
            f"{name} names no model; write class {name}({root.__name__}[Task]) with your entity as Task"
        )
    if not (isinstance(model, type) and issubclass(model, BaseTimestampEntity)) or model._meta.abstract:
        raise ImproperlyConfigured(
            f"{name} has the model {model!r}; the class of an entity is wanted, no name of it and no abstract one"
        )
    if given is not None and given is not model:
        raise ImproperlyConfigured(f"{name} is made for {model._meta.label}, not for {given._meta.label}")
    return model


def find_model(kind: type[Any], root: type[Any]) -> Any:
    """
    Return what ``kind`` gives the type parameter of ``root``: ``Task`` for ``class TaskService(Root[Task])``.

    Looks through subclasses and through intermediates that are generic themselves. None where it gives nothing; a
    ``TypeVar`` where it leaves the parameter open.
    """
    for base in vars(kind).get("__orig_bases__", kind.__bases__):
        origin = get_origin(base) or base
        if not issubclass(origin, root):
            continue
        arguments = get_args(base)
        found = next(iter(arguments), None) if origin is root else find_model(origin, root)
        if isinstance(found, TypeVar) and origin is not root:
            # The intermediate leaves it open: it is what stands in that place here.
            found = arguments[origin.__parameters__.index(found)] if arguments else None
        if found is not None:
            return found
    return None
