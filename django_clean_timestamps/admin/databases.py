"""In which database a page of delivery looks, and how an address names a row of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import connections, router
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.delivery.models import Subscription

__all__ = ["DATABASE", "DatabaseFilter", "RowKey", "chosen_database", "delivery_databases", "key_of"]

DATABASE: Final = "database"


class RowKey(NamedTuple):
    """
    What an address names: a row of a database.

    Attributes:
        using: The database's alias.
        pk: The key there, None where the text was none.
    """

    using: str
    pk: int | None

    @classmethod
    def from_text(cls, text: str) -> RowKey:
        """Return what :func:`key_of` has written."""
        alias, _, number = text.rpartition(":")
        is_number = number.isascii() and number.isdigit() and len(number) < 19
        aliases = delivery_databases()
        using = alias if alias in aliases else aliases[0]
        return cls(using, int(number) if is_number and alias in ("", *aliases) else None)


def key_of(pk: Any, using: str) -> str:
    """
    Return what names a row in an address and in the admin's log.

    That is its key, in any but the first database behind the alias: two of them have rows of the same key.
    """
    return str(pk) if using == delivery_databases()[0] else f"{using}:{pk}"


def delivery_databases() -> tuple[str, ...]:
    """Return the aliases that the routers let the tables of delivery be in, without asking the databases."""
    found = tuple(alias for alias in connections if router.allow_migrate_model(alias, Subscription))
    return found or (router.db_for_read(Subscription),)


def chosen_database(request: HttpRequest) -> str:
    """Return the alias that a list was asked for, the first one where it was not."""
    aliases = delivery_databases()
    asked = request.GET.get(DATABASE)
    return asked if asked in aliases else aliases[0]


class DatabaseFilter(admin.SimpleListFilter):
    """Lets a list's reader choose among several databases; there is always one chosen."""

    title = _("database")
    parameter_name = DATABASE

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Return the choices, none where there is but one."""
        self.chosen = chosen_database(request)
        aliases = delivery_databases()
        return [(alias, alias) for alias in aliases] if len(aliases) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows as they are: the admin has read them from there."""
        if self.value() not in (None, self.chosen):
            raise IncorrectLookupParameters(f"There is no database {self.value()!r}")
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the choices, without "all"."""
        for alias, title in self.lookup_choices:
            yield {
                "selected": alias == self.chosen,
                "query_string": changelist.get_query_string({self.parameter_name: alias}),
                "display": title,
            }
