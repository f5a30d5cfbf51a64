"""What the admins of subscriptions and of parked events share: lists of one database, pages, and a permission."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.text import capfirst

from django_clean_timestamps.admin.databases import DATABASE, RowKey, chosen_database, delivery_databases, key_of
from django_clean_timestamps.admin.read_only import ReadOnlyAdmin
from django_clean_timestamps.eventlog.story import reading_log
from django_clean_timestamps.exceptions import EventLogMissingError

__all__ = ["MANAGE", "DeliveryAdmin", "log_operation"]

MANAGE: Final = "manage_deliveries"
"""The permission that the actions ask for."""

ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def _outside_transactions(view: ViewT) -> ViewT:
    """Keep ``ATOMIC_REQUESTS`` off: an operation has transactions of its own, and it rings when they have ended."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


class DeliveryAdmin(ReadOnlyAdmin):
    """
    The admin of a table of delivery, which is in every database that handlers write to.

    A list shows that of one database, of the parameter ``database`` where there are several. A row's address names its
    database. ``clean_timestamps.manage_deliveries`` opens the actions.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_display_links = None
    sortable_by = ()
    gone_message: ClassVar[str | Promise]
    """What is said where a row is not there (any more)."""

    # For subclasses.

    def rows_in(self, request: HttpRequest, using: str) -> QuerySet[Any]:
        """Return the rows of a database that the user may see."""
        rows: QuerySet[Any] = self.model._default_manager.using(using).all()
        return rows

    @abstractmethod
    def list_rows(self, request: HttpRequest, changelist: ChangeList) -> list[Any]:
        """Return what the list's table shows."""

    @abstractmethod
    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what a row's own page shows."""

    # Permissions.

    def has_manage_deliveries_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may use the actions."""
        return request.user.has_perm(f"{self.opts.app_label}.{MANAGE}")

    # Rows.

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the database that the list was asked for."""
        return self.rows_in(request, chosen_database(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row that an address names, None where it is not there or not to be seen."""
        key = RowKey.from_text(object_id)
        return self.rows_in(request, key.using).filter(pk=key.pk).first()

    # Pages.

    @_outside_transactions
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or run an action on it."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        try:
            with reading_log(chosen_database(request)):
                response = super().changelist_view(request, title | (extra_context or {}))
                changelist = getattr(response, "context_data", {}).get("cl")
                if changelist is not None:
                    changelist.rows = self.list_rows(request, changelist)
                    if not (changelist.query or changelist.has_active_filters):
                        # Nothing is left out, which the admin would find out by counting once more.
                        changelist.full_result_count = changelist.result_count
        except EventLogMissingError as error:
            return self.render_page(
                request, "deliveries_missing", title | {"missing": str(error)} | self._choice(request)
            )
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one row."""
        self.refuse_all_but_reading(request)
        key = unquote(object_id)
        try:
            with reading_log(RowKey.from_text(key).using):
                row = self.get_object(request, key)
                if row is None:
                    self.message_user(request, str(self.gone_message), messages.WARNING)
                    return HttpResponseRedirect(self.list_url(RowKey.from_text(key).using))
                context = self._shared_context(request, row) | self.page_context(request, row)
        except EventLogMissingError as error:
            context = {"title": capfirst(self.opts.verbose_name), "missing": str(error)}
        return self.render_page(request, str(self.opts.model_name), context | (extra_context or {}))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Refuse."""
        raise PermissionDenied

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what users have done to a row."""
        response = super().history_view(request, object_id, extra_context)
        row = getattr(response, "context_data", {}).get("object")
        if row is not None:
            # By which the page leads back: its key alone would be one of the first database.
            row.pk = unquote(object_id)
        return response

    # Addresses.

    def list_url(self, using: str | None = None, **asked: Any) -> str:
        """Return the address of the list of a database, with what is asked for."""
        named = {DATABASE: using} if using is not None and len(delivery_databases()) > 1 else {}
        query = urlencode(named | asked)
        return self._url("changelist") + (f"?{query}" if query else "")

    def row_url(self, pk: Any, using: str) -> str:
        """Return the address of a row's page."""
        return self._url("change", key_of(pk, using))

    def _shared_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        using = str(row._state.db)
        return {
            "title": str(row),
            "using": using if len(delivery_databases()) > 1 else None,
            "list_url": self.list_url(using),
            "history_url": self._url("history", key_of(row.pk, using)),
            "may_manage": self.has_manage_deliveries_permission(request),
        }

    def _url(self, page: str, *args: str) -> str:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[quote(each) for each in args])

    def _choice(self, request: HttpRequest) -> dict[str, Any]:
        """Return the databases to choose among, where there are several."""
        aliases = delivery_databases()
        chosen = chosen_database(request)
        others = [(alias, self.list_url(alias)) for alias in aliases if alias != chosen]
        return {"database": chosen, "others": others}


def log_operation(request: HttpRequest, rows: Iterable[Model], using: str, message: str) -> None:
    """
    Write an entry into the admin's log for each row.

    Args:
        request: Whose user it was.
        rows: What it was done to; their keys are changed and they cannot be saved afterwards.
        using: Where they are.
        message: What was done.
    """
    # Not to be imported where Django's admin is not installed, as the package's own can be.
    from django.contrib.admin.models import CHANGE, LogEntry

    named: Any = list(rows)
    for row in named:
        row.pk = key_of(row.pk, using)
    user_id: Any = request.user.pk
    LogEntry.objects.log_actions(user_id, named, CHANGE, message)
