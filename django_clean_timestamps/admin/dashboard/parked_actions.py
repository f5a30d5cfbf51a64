"""Retrying and skipping all that is parked of a handler, once the exact number is confirmed."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.dashboard.parked import parked_admin
from django_clean_timestamps.admin.databases import delivery_databases
from django_clean_timestamps.admin.marks import fate_mark
from django_clean_timestamps.admin.parked import ParkedEventAdmin
from django_clean_timestamps.admin.parked_actions import ROWS_AT_MOST, retry_selected, skip_selected
from django_clean_timestamps.admin.reason_form import REASON
from django_clean_timestamps.admin.reason_page import CONFIRMED, ReasonPage
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.story import reading_log
from django_clean_timestamps.exceptions import EventLogMissingError

__all__ = ["COUNT", "act_on_parked"]

COUNT: Final = "count"
"""The field that says how many were confirmed."""

State = ParkedEvent.State

_ABLE: Final = {"retry": (State.RETRY, State.DEAD), "skip": (State.RETRY, State.DEAD, State.WAITING)}


def act_on_parked(site: Any, request: HttpRequest, action: str, context: dict[str, Any], back: str) -> HttpResponse:
    """
    Ask whether to retry or skip what the address names, or do so where that many were confirmed.

    Only events of models that the user may view are counted and touched.

    Args:
        site: The admin site.
        request: With ``handler``, ``state`` and ``database`` in its address.
        action: ``retry`` or ``skip``.
        context: What every page of the dashboard is written with.
        back: Where to go afterwards.

    Raises:
        PermissionDenied: The user may not manage deliveries, or not view parked events.
    """
    admin = parked_admin(site)
    may = admin is not None and admin.has_view_permission(request) and admin.has_manage_deliveries_permission(request)
    if admin is None or not may:
        raise PermissionDenied
    using, named = _named(request)
    try:
        with reading_log(using):
            rows = _rows(admin, request, action, using, named)
            count = rows.count()
    except EventLogMissingError as error:
        admin.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(back)
    if not count:
        admin.message_user(request, _("Nothing of that kind is parked any more."), messages.WARNING)
        return HttpResponseRedirect(back)
    # The reason's own form; for a retry only that it was sent is of interest.
    form = ReasonPage(action=action, title="", help_text="", templates="").form(request)
    is_sent = request.method == "POST" and CONFIRMED in request.POST
    is_as_many = request.POST.get(COUNT) == str(count)
    if is_sent and is_as_many and (action == "retry" or form.is_valid()):
        _do(admin, request, action, rows)
        return HttpResponseRedirect(back)
    shown = {
        "action": action,
        "filters": _in_words(using, named),
        "count": count,
        "most": ROWS_AT_MOST,
        "is_other_count": is_sent and not is_as_many,
        "field": form[REASON],
        "errors": form.errors if is_sent and is_as_many else {},
        "confirmed": CONFIRMED,
        "count_name": COUNT,
        "back": back,
        "title": _("Retry parked events") if action == "retry" else _("Skip parked events"),
    }
    return TemplateResponse(request, "admin/clean_timestamps/dashboard/confirm_parked.html", context | shown)


def _named(request: HttpRequest) -> tuple[str, dict[str, str]]:
    aliases = delivery_databases()
    using = request.GET.get("database", "")
    named = {name: value for name in ("handler", "state") if (value := request.GET.get(name, ""))}
    return (using if using in aliases else aliases[0]), named


def _rows(
    admin: ParkedEventAdmin, request: HttpRequest, action: str, using: str, named: dict[str, str]
) -> QuerySet[Any]:
    return admin.rows_in(request, using).filter(state__in=_ABLE[action]).filter(**named)


def _in_words(using: str, named: dict[str, str]) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = [
        (_("Handler"), named.get("handler") or _("all")),
        (_("State"), fate_mark(named["state"]) if "state" in named else _("all")),
    ]
    return [*told, (_("Database"), using)]


def _do(admin: ParkedEventAdmin, request: HttpRequest, action: str, rows: QuerySet[Any]) -> None:
    if action == "retry":
        retry_selected(admin, request, rows)
    else:
        skip_selected(admin, request, rows)
