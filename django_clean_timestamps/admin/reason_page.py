"""The page of an action that asks for a reason first."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.reason_form import REASON, ReasonField

__all__ = ["CONFIRMED", "ReasonPage"]

CONFIRMED: Final = "post"
"""The name of the field by which the page's own form is told from the list's."""

_SHOWN_COUNT: Final = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReasonPage:
    """
    What asks for the reason of an action on a list's rows.

    Attributes:
        action: The action's name.
        title: The page's.
        help_text: Below the line for the reason.
        templates: The page's template, or several of which the first that is found counts.
        widget: That of the line.
    """

    action: str
    title: str | Promise
    help_text: str | Promise
    templates: str | list[str]
    widget: type[forms.Widget] | forms.Widget = AdminTextInputWidget

    def form(self, request: HttpRequest) -> forms.Form:
        """Return the form: bound where the page's own was sent, and then with ``cleaned_data`` where it is valid."""
        form = forms.Form(request.POST if request.POST.get(CONFIRMED) else None)
        form.fields[REASON] = ReasonField(label=_("Reason"), widget=self.widget, help_text=self.help_text)
        return form

    def ask(
        self, model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any], form: forms.Form
    ) -> HttpResponse:
        """Return the page."""
        opts = model_admin.opts
        count = queryset.count()
        shown = list(queryset[:_SHOWN_COUNT])
        unbound: Any = form
        fieldsets = helpers.AdminForm(unbound, [(None, {"fields": [REASON]})], {}, model_admin=model_admin)
        context = {
            **model_admin.admin_site.each_context(request),
            "title": self.title,
            "subtitle": None,
            "opts": opts,
            "count": count,
            "objects_name": model_ngettext(opts, count),
            "shown": shown,
            "hidden_count": count - len(shown),
            "adminform": fieldsets,
            "errors": form.errors,
            "media": model_admin.media + form.media,
            "action": self.action,
            "confirmed": CONFIRMED,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            # Also where all rows of the list are meant: the admin wants some key to be selected.
            "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "list_url": request.get_full_path(),
        }
        request.current_app = model_admin.admin_site.name
        return TemplateResponse(request, self.templates, context)
