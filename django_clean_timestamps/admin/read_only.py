"""Pages to look at: nothing is added, changed or deleted on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = admin.ModelAdmin

__all__ = ["ReadOnlyAdmin"]


class ReadOnlyAdmin(_Base):
    """The admin of rows that the package alone writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: the package writes the rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nobody edits them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the package deletes them, too."""
        return False

    @property
    def media(self) -> forms.Media:
        """The files of the pages, the package's style among them."""
        return super().media + forms.Media(css={"all": ["clean_timestamps/admin.css"]})

    def refuse_all_but_reading(self, request: HttpRequest) -> None:
        """
        Let nothing but a look pass.

        Raises:
            PermissionDenied: It is another method, or the user may not view the rows.
        """
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied

    def render_page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        """Return one of the package's own pages, by the name of its template."""
        request.current_app = self.admin_site.name
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/clean_timestamps/{name}.html", shared | context)
