"""Filters of the change list by the age of a stamp."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.clocks import read_clock
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT

__all__ = ["AgeFilter", "CreatedAgeFilter", "UpdatedAgeFilter"]

_AGES: Final = {
    "hour": (timedelta(hours=1), _("Past hour")),
    "day": (timedelta(days=1), _("Past day")),
    "week": (timedelta(days=7), _("Past week")),
    "month": (timedelta(days=30), _("Past month")),
}
_OLDER: Final = "older"


class AgeFilter(admin.SimpleListFilter):
    """
    Shows the rows whose stamp lies in the past hour, day, week or month (30 days), or before that.

    The queries compare the column itself with a moment, so an index on it serves them.
    """

    field_name: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [*((name, label) for name, (_age, label) in _AGES.items()), (_OLDER, _("Older"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Return the rows of the chosen age."""
        chosen = self.value()
        if chosen in _AGES:
            return queryset.filter(**{f"{self.field_name}__gte": read_clock() - _AGES[chosen][0]})
        if chosen == _OLDER:
            return queryset.filter(**{f"{self.field_name}__lt": read_clock() - _AGES["month"][0]})
        return queryset


class UpdatedAgeFilter(AgeFilter):
    """By when the row was last written."""

    title = _("last update")
    parameter_name = "updated_age"
    field_name = UPDATED_AT


class CreatedAgeFilter(AgeFilter):
    """By when the row was created."""

    title = _("creation")
    parameter_name = "created_age"
    field_name = CREATED_AT
