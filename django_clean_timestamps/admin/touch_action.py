"""The action that touches the selected entities, once a reason is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.contrib.admin.utils import model_ngettext
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_clean_timestamps.admin.reason_form import REASON
from django_clean_timestamps.admin.reason_page import ReasonPage

if TYPE_CHECKING:
    from django_clean_timestamps.admin.mixin import TimestampAdminMixin

__all__ = ["TOUCH_ACTION", "touch_selected"]

TOUCH_ACTION: Final = "touch_with_reason"
_BATCH_SIZE: Final = 500


def touch_selected(
    model_admin: TimestampAdminMixin, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """
    Ask for a reason, then touch the rows in one transaction and write an admin log entry for each.

    Raises:
        PermissionDenied: One of the objects may not be changed; none was touched.
    """
    page = _page(model_admin)
    form = page.form(request)
    if not form.is_valid():
        return page.ask(model_admin, request, queryset, form)
    reason = form.cleaned_data[REASON]
    using = router.db_for_write(model_admin.model)
    # The keys are read first: touched rows may leave the list's filter.
    keys = list(queryset.order_by("pk").values_list("pk", flat=True).distinct())
    with model_admin.timestamp_context(request), transaction.atomic(using=using):
        count = sum(
            _touch(model_admin, request, keys[start : start + _BATCH_SIZE], reason, using)
            for start in range(0, len(keys), _BATCH_SIZE)
        )
    text = ngettext("%(count)d %(name)s was touched.", "%(count)d %(name)s were touched.", count)
    model_admin.message_user(
        request,
        text % {"count": count, "name": model_ngettext(model_admin.opts, count)},
        messages.SUCCESS if count else messages.WARNING,
    )
    return None


def _touch(model_admin: TimestampAdminMixin, request: HttpRequest, keys: list[Any], reason: str, using: str) -> int:
    rows: Any = model_admin.model._base_manager.using(using).filter(pk__in=keys)
    objects = list(rows.order_by("pk").select_for_update())
    if not all(model_admin.has_change_permission(request, entity) for entity in objects):
        raise PermissionDenied
    touched: int = rows.touch(reason)
    if touched:
        # Not to be imported where Django's admin is not installed, as the mixin can be.
        from django.contrib.admin.models import CHANGE, LogEntry

        message = _("Touched: %(reason)s") % {"reason": reason}
        user_id: Any = request.user.pk
        LogEntry.objects.log_actions(user_id, objects, CHANGE, message)
    return touched


def _page(model_admin: TimestampAdminMixin) -> ReasonPage:
    opts = model_admin.opts
    templates = [
        f"admin/{opts.app_label}/{opts.model_name}/touch_confirmation.html",
        f"admin/{opts.app_label}/touch_confirmation.html",
        "admin/clean_timestamps/touch_confirmation.html",
    ]
    return ReasonPage(
        action=TOUCH_ACTION,
        title=_("Touch with a reason"),
        help_text=_("Recorded with every one of them; at most 200 characters."),
        templates=model_admin.touch_confirmation_template or templates,
        widget=model_admin.timestamp_reason_widget(),
    )
