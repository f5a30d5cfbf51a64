"""Making every manager of an entity stamp, and the base manager ours."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Model
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

__all__ = ["BASE_MANAGER_NAME", "equip_managers"]

BASE_MANAGER_NAME: Final = "_timestamp_rows"


def equip_managers(sender: type[Model], **_: Any) -> None:
    """
    Give an entity stamping managers when its class is complete.

    Related managers are built from the *class* of the default manager, so the class is changed, not the instance.
    Django drops ``base_manager_name`` when another base comes first, so it is set here, on every class.
    """
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

    if not issubclass(sender, BaseTimestampEntity):
        return
    base_name = sender._meta.original_attrs.get("base_manager_name") or BASE_MANAGER_NAME
    managers = [manager for manager in sender._meta.managers if manager.name != BASE_MANAGER_NAME]
    for manager in managers:
        # All of them become the class's own, in their order, or the base manager would become the default one.
        _replace(sender, manager.name, _stamping(manager), is_base=manager.name == base_name)
    _replace(sender, BASE_MANAGER_NAME, TimestampManager(), is_base=base_name == BASE_MANAGER_NAME)
    sender._meta.base_manager_name = base_name
    sender._meta._expire_cache()


def _replace(model: type[BaseTimestampEntity], name: str, manager: Any, *, is_base: bool) -> None:
    manager.is_base_manager = is_base
    manager._set_creation_counter()
    model._meta.local_managers = [own for own in model._meta.local_managers if own.name != name]
    manager.contribute_to_class(model, name)


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
