"""What the admin of an entity shows and asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten, flatten_fieldsets
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.age_filters import CreatedAgeFilter, UpdatedAgeFilter
from django_clean_timestamps.admin.display import show_stamp
from django_clean_timestamps.admin.reason_form import REASON, REFUSALS, reason_of, with_reason
from django_clean_timestamps.admin.timeline import remember_viewer, render_timeline
from django_clean_timestamps.admin.touch_action import TOUCH_ACTION, touch_selected
from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.stamping.baseline import loaded_stamp
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object

__all__ = ["TimestampAdminMixin"]

_SHOWN: Final = {CREATED_AT: "timestamp_created", UPDATED_AT: "timestamp_updated"}
"""By the name of a stamp, the method that shows it: by its own name Django would show the field."""

_TIMELINE: Final = {"timestamp_timeline": "timestamp_story"}
"""The same for the timeline, whose name is taken by the switch."""

_REFUSAL: Final = "_timestamp_refusal"


class TimestampAdminMixin(_Base):
    """
    The admin of an entity; put it before ``admin.ModelAdmin`` and every other base.

    Both stamps are read-only, shown in the viewer's time zone with the exact UTC on hover, as columns of the change
    list, as its filters, and on the change form. ``created_at`` and ``updated_at`` may be named in ``list_display``,
    ``fields`` and ``fieldsets`` to give them another place. Add and change forms ask for a reason, which the events
    of the object and of its inlines carry; their actor is the user. What the package or ``_validate_entity()`` refuses
    is an error of the form. The action ``touch_with_reason`` touches what is selected. At its end the change form shows
    the object's newest events; ``timestamp_timeline`` in ``fieldsets`` gives them another place.

    Attributes:
        timestamp_columns: The stamps that are columns of the change list where ``list_display`` names none.
        timestamp_filters: The filters that come after those of ``list_filter``.
        timestamp_timeline: Whether the change form shows the object's newest events.
        touch_confirmation_template: The page that asks for the reason of a touch;
            ``admin/clean_timestamps/touch_confirmation.html`` where it is None.

    Raises:
        ImproperlyConfigured: The model is no entity.

    Example:
        ::

            @admin.register(Task)
            class TaskAdmin(TimestampAdminMixin, admin.ModelAdmin):
                list_display = ["title", "updated_at"]
    """

    timestamp_columns: ClassVar[Sequence[str]] = (CREATED_AT, UPDATED_AT)
    timestamp_filters: ClassVar[Sequence[type[admin.SimpleListFilter]]] = (UpdatedAgeFilter, CreatedAgeFilter)
    timestamp_timeline: ClassVar[bool] = True
    touch_confirmation_template: ClassVar[str | None] = None

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        if not issubclass(model, BaseTimestampEntity):
            raise ImproperlyConfigured(
                f"{type(self).__name__} is a TimestampAdminMixin, and {model._meta.label} is no BaseTimestampEntity"
            )
        if self.actions is not None and TOUCH_ACTION not in self.actions:
            self.actions = [*self.actions, TOUCH_ACTION]

    # Showing the stamps.

    @admin.display(description=_("created"), ordering=CREATED_AT)
    def timestamp_created(self, obj: BaseTimestampEntity) -> SafeString | None:
        """Return when the object was created, for people."""
        return show_stamp(obj.created_at)

    @admin.display(description=_("updated"), ordering=UPDATED_AT)
    def timestamp_updated(self, obj: BaseTimestampEntity) -> SafeString | None:
        """Return when the object was last written, for people."""
        return show_stamp(obj.updated_at)

    @admin.display(description=_("newest events"))
    def timestamp_story(self, obj: BaseTimestampEntity) -> SafeString:
        """Return the object's newest events, for people."""
        return render_timeline(self.admin_site, obj)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, the stamps among them."""
        columns = _shown(super().get_list_display(request))
        if set(columns) & set(_SHOWN.values()):
            return columns
        return [*columns, *_shown(self.timestamp_columns)]

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """Return the columns that link to the object."""
        links = super().get_list_display_links(request, list_display)
        return links if links is None else _shown(links)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return the columns that can be sorted by."""
        return _shown(super().get_sortable_by(request))

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the filters, those by age last."""
        filters = list(super().get_list_filter(request))
        return [*filters, *(each for each in self.timestamp_filters if each not in filters)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields that are only shown, the stamps among them."""
        names = super().get_readonly_fields(request, obj)
        ours = [*_SHOWN, *_SHOWN.values(), *_TIMELINE.values()]
        return [*names, *(name for name in ours if name not in names)]

    # The form.

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields of the form; where the admin names none, without the stamps, which have their own place."""
        fields = super().get_fields(request, obj)
        if self.fields:
            return fields
        ours = {*_SHOWN, *_SHOWN.values(), *_TIMELINE.values(), REASON}
        return [name for name in fields if name not in ours]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fieldsets; the stamps, the reason and the timeline follow where none of them names them."""
        may_write = obj is None or self.has_change_permission(request, obj)
        has_timeline = obj is not None and self.timestamp_timeline
        if has_timeline:
            remember_viewer(obj, request)
        left_out = [*([] if may_write else [REASON]), *([] if has_timeline else [*_TIMELINE, *_TIMELINE.values()])]
        fieldsets: list[Any] = []
        for title, options in super().get_fieldsets(request, obj):
            fields = _shown(options["fields"], left_out, _SHOWN | _TIMELINE)
            # One that held nothing but what is left out would be a heading with nothing below.
            if flatten(fields) or not flatten(options["fields"]):
                fieldsets.append((title, {**options, "fields": fields}))
        named = set(flatten_fieldsets(fieldsets))
        if obj is not None and not named & set(_SHOWN.values()):
            fieldsets.append((_("Timestamps"), {"fields": list(_SHOWN.values())}))
        if may_write and REASON not in named:
            fieldsets.append((None, {"fields": [REASON]}))
        if has_timeline and not named & set(_TIMELINE.values()):
            fieldsets.append((_("Timeline"), {"fields": list(_TIMELINE.values())}))
        return fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form class, with the reason where a fieldset shows it."""
        fields = kwargs["fields"] if "fields" in kwargs else flatten_fieldsets(self.get_fieldsets(request, obj))
        if fields is None or isinstance(fields, str) or REASON not in fields:
            return super().get_form(request, obj, change=change, **kwargs)
        kwargs["fields"] = [name for name in fields if name != REASON]
        form = super().get_form(request, obj, change=change, **kwargs)
        return with_reason(form, self.timestamp_reason_widget(), getattr(request, _REFUSAL, None))

    @property
    def media(self) -> forms.Media:
        """The files of the page, with the timeline's style."""
        return super().media + forms.Media(css={"all": ["clean_timestamps/admin.css"]})

    def timestamp_reason_widget(self) -> type[forms.Widget] | forms.Widget:
        """Return the widget that this admin uses for a line of text."""
        widget: type[forms.Widget] | forms.Widget = self.formfield_overrides.get(models.CharField, {}).get(
            "widget", AdminTextInputWidget
        )
        return widget

    # Writing.

    def timestamp_context(self, request: HttpRequest, form: Any = None) -> timestamp_context:
        """Return the context of what the admin writes for the request: the user, and the reason that the form gave."""
        return timestamp_context(reason=reason_of(form), actor=request.user.pk)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the object with the reason."""
        if change and loaded_stamp(obj, UPDATED_AT) is None:
            # Made by hand of an older state, as django-simple-history does to revert: its stamp is nobody's wish.
            obj.updated_at = None
        with self.timestamp_context(request, form):
            super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the inlines with the same reason."""
        with self.timestamp_context(request, form):
            super().save_related(request, form, formsets, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete the object."""
        with self.timestamp_context(request):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selected objects."""
        with self.timestamp_context(request):
            super().delete_queryset(request, queryset)

    @admin.action(permissions=["change"], description=_("Touch selected %(verbose_name_plural)s with a reason"))
    def touch_with_reason(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Touch the selected objects, once a reason is given."""
        return touch_selected(self, request, queryset)

    # Refusals.

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form; what refuses its write, which is rolled back, becomes an error of the form."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except REFUSALS as refusal:
            if request.method != "POST" or hasattr(request, _REFUSAL):
                raise
            setattr(request, _REFUSAL, refusal)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list; what refuses the write of an action or of an edit in place becomes a message."""
        try:
            return super().changelist_view(request, extra_context)
        except REFUSALS as refusal:
            return self._tell(request, refusal)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Ask and delete; what refuses the deletion becomes a message."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except REFUSALS as refusal:
            return self._tell(request, refusal)

    def _tell(self, request: HttpRequest, refusal: Exception) -> HttpResponse:
        if request.method != "POST":
            raise refusal
        texts = refusal.messages if isinstance(refusal, ValidationError) else [str(refusal)]
        self.message_user(request, " ".join(texts), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


def _shown(names: Any, left_out: Sequence[str] = (), shown_by: Mapping[str, str] = _SHOWN) -> Any:
    """Return the names, nested as fields may be, with the method that shows it for each of ours."""
    if isinstance(names, list | tuple):
        return [_shown(name, left_out, shown_by) for name in names if name not in left_out]
    return shown_by.get(names, names) if isinstance(names, str) else names
