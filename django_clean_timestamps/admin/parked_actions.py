"""What people do to parked events in the admin: an operation, an entry in the admin's log, and a ring."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.delivery_admin import log_operation
from django_clean_timestamps.admin.reason_form import REASON
from django_clean_timestamps.admin.reason_page import ReasonPage
from django_clean_timestamps.delivery import operations
from django_clean_timestamps.delivery.doorbell import ring
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.exceptions import DeliveryError

if TYPE_CHECKING:
    from django_clean_timestamps.admin.parked import ParkedEventAdmin

__all__ = ["RETRY_FROM_AT_MOST", "ROWS_AT_MOST", "retry_from_selected", "retry_selected", "skip_selected"]

ROWS_AT_MOST: Final = 2_000
"""How many events one request retries or skips: each costs some statements, and a request must end in time."""

RETRY_FROM_AT_MOST: Final = 50
"""How many entities may be retried from an event on at once: each of them waits for its subscription's lease."""

_ROWS_A_STEP: Final = 500

State = ParkedEvent.State


def retry_selected(model_admin: ParkedEventAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    """Let the selected events be tried at once, as many as a request can; what only waits, or was skipped, is not."""
    # In an order in which the next request goes on where this one ends.
    chosen = queryset.filter(state__in=[State.RETRY, State.DEAD]).order_by("state", "-available_at", "id")
    selected, able = queryset.count(), chosen.count()
    done = _in_steps(request, chosen, operations.retry, _("Retried"))
    text = ngettext("%(count)d parked event is retried.", "%(count)d parked events are retried.", done)
    _tell(model_admin, request, text, done, left_out=selected - able, left_over=able - ROWS_AT_MOST)


def skip_selected(model_admin: ParkedEventAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Ask for a reason, then give the selected events up, as many as a request can, without those that were before."""
    page = ReasonPage(
        action="skip",
        title=_("Skip, because …"),
        help_text=_("Kept with every one of them; at most 200 characters."),
        templates="admin/clean_timestamps/skip_confirmation.html",
    )
    form = page.form(request)
    chosen = queryset.exclude(state=State.SKIPPED).order_by("id")
    if not form.is_valid():
        return page.ask(model_admin, request, chosen, form)
    reason = form.cleaned_data[REASON]
    selected, able = queryset.count(), chosen.count()
    message = _("Skipped, because %(reason)s") % {"reason": reason}
    # What waited behind them is due, and rung for.
    done = _in_steps(request, chosen, partial(operations.skip, because=reason), message)
    text = ngettext("%(count)d parked event was skipped.", "%(count)d parked events were skipped.", done)
    _tell(model_admin, request, text, done, left_out=selected - able, left_over=able - ROWS_AT_MOST)
    return None


def retry_from_selected(model_admin: ParkedEventAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    """
    Hand each entity's events over anew from its first selected one on.

    What cannot be done is told and ends it: those before it are done, and it and those after it are as they were.
    """
    using, done, count, logs = queryset.db, 0, 0, set()
    firsts = _first_of_each_entity(queryset)
    if len(firsts) > RETRY_FROM_AT_MOST:
        text = _("At most %(most)d entities can be retried from an event on at once; these are %(count)d.")
        error = text % {"most": RETRY_FROM_AT_MOST, "count": len(firsts)}
        model_admin.message_user(request, error, messages.ERROR)
        return
    for row in ParkedEvent.objects.using(using).filter(pk__in=firsts).order_by("position", "id"):
        try:
            again = operations.retry_from(row)
        except DeliveryError as error:
            model_admin.message_user(request, f"{row}: {error}", messages.ERROR)
            break
        done, count = done + 1, count + again
        logs.add(row.log_alias)
        text = ngettext("Retried from here: %(count)d event", "Retried from here: %(count)d events", again)
        log_operation(request, [_as_it_is_now(row)], using, text % {"count": again})
    _ring(logs)
    if done:
        text = ngettext(
            "%(count)d event is handed over anew, in order.", "%(count)d events are handed over anew, in order.", count
        )
        model_admin.message_user(request, text % {"count": count}, messages.SUCCESS)


def _in_steps(
    request: HttpRequest, rows: QuerySet[Any], operation: Callable[[QuerySet[Any]], int], message: str
) -> int:
    """
    Do something to the rows, as they were at the start and as many as a request can; return to how many.

    Each step is whole: what was done is in the admin's log, whatever ends the next one.
    """
    using, done, logs = rows.db, 0, set()
    ids = list(rows.values_list("pk", flat=True)[:ROWS_AT_MOST])
    for start in range(0, len(ids), _ROWS_A_STEP):
        step = ParkedEvent.objects.using(using).filter(pk__in=ids[start : start + _ROWS_A_STEP])
        # Without what takes much room.
        named = list(step.defer("event", "last_error"))
        done += operation(step)
        logs |= {row.log_alias for row in named}
        log_operation(request, named, using, message)
    _ring(logs)
    return done


def _first_of_each_entity(queryset: QuerySet[Any]) -> list[int]:
    """Return the keys of those rows that no earlier row of the same entity and handler is selected beside."""
    firsts: dict[tuple[str, str, str], int] = {}
    ordered = queryset.order_by("position", "id").values_list("pk", "handler", "log_alias", "entity_key")
    for pk, handler, log_alias, key in ordered:
        firsts.setdefault((handler, log_alias, key), pk)
    return list(firsts.values())


def _as_it_is_now(row: ParkedEvent) -> ParkedEvent:
    """Return the row that was parked in place of this one; where nothing was, this one."""
    rows = ParkedEvent.objects.using(row._state.db)
    anew = rows.filter(handler=row.handler, log_alias=row.log_alias, position=row.position)
    return anew.defer("event", "last_error").first() or row


def _ring(log_aliases: Iterable[str]) -> None:
    for log_alias in sorted(log_aliases):
        ring(log_alias)


def _tell(
    model_admin: ParkedEventAdmin, request: HttpRequest, text: str, count: int, *, left_out: int, left_over: int
) -> None:
    told = [text % {"count": count}]
    if left_out > 0:
        text = ngettext(
            "%(count)d was left out: it waits behind another, or was skipped.",
            "%(count)d were left out: they wait behind others, or were skipped.",
            left_out,
        )
        told.append(text % {"count": left_out})
    if left_over > 0:
        text = ngettext(
            "%(count)d more is to be done: it was one too many for one request.",
            "%(count)d more are to be done: they were too many for one request.",
            left_over,
        )
        told.append(text % {"count": left_over})
    is_well = count > 0 and left_over <= 0
    model_admin.message_user(request, " ".join(told), messages.SUCCESS if is_well else messages.WARNING)
