"""Making every manager of an entity stamp, and the base manager ours."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

# Its receivers add managers to a class that is prepared: connected before ours, they run before it.
import model_utils.models  # noqa: F401
from django.db.models import Manager, Model
from django.db.models.signals import class_prepared

from django_clean_timestamps.stamping.querysets import (
    StampingManager,
    StampingQuerySet,
    TimestampManager,
    stamping,
    stamping_form,
)

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["equip_managers"]

UNNAMED: Final = "_base_manager"
"""What Django calls a base manager for which no Meta gives a name."""


def equip_managers(sender: type[Model], **_: Any) -> None:
    """
    Give an entity stamping managers when its class is complete.

    Related managers are built from the *class* of the default manager, so the class is changed, not the instance.
    The base manager is set here too: ours, or the one that is named, which stamps like all the others.
    """
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

    if not issubclass(sender, BaseTimestampEntity):
        return
    options = sender._meta
    chosen = _named_base_manager(sender)
    for manager in options.managers:
        # All of them become the class's own, in their order: it decides which is the default one.
        _replace(sender, _stamping(manager), is_base=manager.name == chosen)
    if chosen is None:
        _set_base_manager(sender)
    options.base_manager_name = chosen
    options._expire_cache()  # type: ignore[attr-defined]


def _named_base_manager(model: type[BaseTimestampEntity]) -> str | None:
    """
    Return the ``base_manager_name`` that the model's Meta gives, or else one of its bases'.

    Django itself forgets a base's where another base comes first.
    """
    known = {manager.name for manager in model._meta.managers}
    named = (kind._meta.base_manager_name for kind in model.__mro__ if hasattr(kind, "_meta"))
    return next((name for name in named if name in known), None)


def _replace(model: type[BaseTimestampEntity], manager: Any, *, is_base: bool) -> None:
    manager.is_base_manager = is_base
    manager._set_creation_counter()
    model._meta.local_managers = [own for own in model._meta.local_managers if own.name != manager.name]
    manager.contribute_to_class(model, manager.name)


def _set_base_manager(model: type[BaseTimestampEntity]) -> None:
    """
    Give the model our base manager for good.

    Under a name of its own it would be one of the model's managers, and Django would write it into every migration.
    So it stands where Django keeps the answer, among the properties that are worked out once, and is left there when
    these are forgotten.
    """
    plain = model._meta.base_manager
    # django-polymorphic puts its own in place of Django's: a forward relation would lose the real class of its rows.
    base: Any = TimestampManager() if type(plain) is Manager else _stamping(plain)
    base.name, base.model, base.auto_created = UNNAMED, model, True
    base.is_base_manager = True
    options: Any = model._meta
    options.FORWARD_PROPERTIES = options.FORWARD_PROPERTIES - {"base_manager"}
    options.__dict__["base_manager"] = base


def _stamping(manager: Any) -> Any:
    """Return the manager with a class that stamps."""
    own = copy.copy(manager)
    if not _stamps(type(manager)):
        own.__class__ = _manager_form(type(manager))
    return own


def _stamps(manager_class: type[Any]) -> bool:
    """Say whether the class's ``get_queryset()`` is ours, not overridden in between."""
    definer = next((kind for kind in manager_class.__mro__ if "get_queryset" in vars(kind)), None)
    return definer is StampingManager or manager_class in _forms.values()


_forms: dict[type[Any], type[Any]] = {}


def _manager_form(manager_class: type[Any]) -> type[Any]:
    """Return the manager class with stamping querysets; the same class for the same class."""
    form = _forms.get(manager_class)
    if form is not None:
        return form

    def get_queryset(self: Any) -> Any:
        return stamping(super(made, self).get_queryset(), is_base=self.is_base_manager)

    def deconstruct(self: Any) -> Any:
        # Migrations know the project's class, not this one.
        plain = copy.copy(self)
        plain.__class__ = manager_class
        return plain.deconstruct()

    made: type[Any]
    members: dict[str, Any] = {
        "__module__": manager_class.__module__,
        "get_queryset": get_queryset,
        "is_base_manager": False,
        "deconstruct": deconstruct,
    }
    queryset_class = getattr(manager_class, "_queryset_class", None)
    if queryset_class is not None and not issubclass(queryset_class, StampingQuerySet):
        members["_queryset_class"] = stamping_form(queryset_class)
    made = _forms[manager_class] = type(f"Stamping{manager_class.__name__}", (manager_class,), members)
    return made


# A class must be equipped while it is made, which may be before the apps are ready: wiring would come too late.
class_prepared.connect(equip_managers, dispatch_uid="clean_timestamps.equip_managers")
