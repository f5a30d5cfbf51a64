"""Where the admin shows an entity that an event names."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db import router
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.identity import has_own_identity

__all__ = ["entity_url"]


def entity_url(site: AdminSite, request: HttpRequest, entity_type: str, entity_id: str, using: str) -> str | None:
    """
    Return the address of the entity's page on the admin site, None where it has none that the user may view.

    The row may be gone; the admin says so then.
    """
    model = _model_of(entity_type)
    if model is None or not site.is_registered(model):
        return None
    # The admin finds rows by key, and in the database that the routers name.
    if has_own_identity(model) or using not in {router.db_for_read(model), router.db_for_write(model)}:
        return None
    if not site.get_model_admin(model).has_view_permission(request):
        return None
    name = f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_change"
    try:
        return reverse(name, args=[quote(entity_id)])
    except NoReverseMatch:
        # An empty key, or an admin with addresses of its own.
        return None


def _model_of(entity_type: str) -> type[BaseTimestampEntity] | None:
    try:
        model: Any = apps.get_model(entity_type)
    except (LookupError, ValueError):
        return None
    return model if issubclass(model, BaseTimestampEntity) else None
