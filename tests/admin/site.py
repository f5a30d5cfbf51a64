"""A site of admins of every shape, whose pages the tests ask for."""

from django import forms
from django.contrib import admin
from django.urls import path

from django_clean_timestamps.admin import TimestampAdminMixin, register_pages
from tests.otherapp.models import Remote
from tests.testapp.models import (
    Animal,
    Attachment,
    Careful,
    Category,
    Comment,
    Country,
    Currency,
    Dog,
    Note,
    Product,
    Project,
    Tag,
    Task,
    Token,
)

site = admin.AdminSite(name="timestamps")
register_pages(site)

bare_site = admin.AdminSite(name="bare")
"""A site without the event log."""


@admin.register(Note, site=site)
class NoteAdmin(TimestampAdminMixin, admin.ModelAdmin):
    list_display = ["title", "amount"]
    list_filter = ["amount"]
    list_editable = ["amount"]
    list_per_page = 3
    fields = ["title", "amount"]
    ordering = ["pk"]


class TaskInline(admin.TabularInline):
    model = Task
    fields = ["title"]
    extra = 0


@admin.register(Project, site=site)
class ProjectAdmin(TimestampAdminMixin, admin.ModelAdmin):
    fieldsets = [
        (None, {"fields": ["name"]}),
        ("History", {"fields": [("created_at", "updated_at"), "timestamp_reason"]}),
    ]
    list_display = ["updated_at", "name"]
    list_display_links = ["updated_at"]
    sortable_by = ["updated_at"]
    inlines = [TaskInline]
    actions = ["touch_with_reason"]
    list_filter = []


class TagForm(forms.ModelForm):
    shout = forms.BooleanField(required=False)

    def clean_name(self):
        return self.cleaned_data["name"].upper() if self.data.get("shout") else self.cleaned_data["name"]


@admin.register(Tag, site=site)
class TagAdmin(TimestampAdminMixin, admin.ModelAdmin):
    form = TagForm
    actions = None
    list_display_links = None


@admin.register(Careful, site=site)
class CarefulAdmin(TimestampAdminMixin, admin.ModelAdmin):
    fields = ["name", "amount"]
    list_display = ["pk", "name"]
    list_editable = ["name"]


@admin.register(Task, site=site)
class TaskAdmin(TimestampAdminMixin, admin.ModelAdmin):
    exclude = ["project", "tags"]
    readonly_fields = ["updated_at"]


class RelabelledFields(admin.ModelAdmin):
    """Changes the fields of the form behind the mixin."""

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change=change, **kwargs)
        form.base_fields["name"].label = "Relabelled"
        return form


@admin.register(Category, site=site)
class CategoryAdmin(TimestampAdminMixin, RelabelledFields):
    fields = ["name"]


@admin.register(Comment, site=site)
class CommentAdmin(TimestampAdminMixin, admin.ModelAdmin):
    """Shows no column and no filter, and a fieldset list of its own without the mixin's."""

    timestamp_columns = ()
    timestamp_filters = ()

    def get_fieldsets(self, request, obj=None):
        return [(None, {"fields": ["text"]})]


class ReasonedForm(forms.ModelForm):
    timestamp_reason = forms.ChoiceField(choices=[("typo", "Typo"), ("news", "News")])


@admin.register(Country, site=site)
class CountryAdmin(TimestampAdminMixin, admin.ModelAdmin):
    """Asks for the reason in its own way."""

    form = ReasonedForm
    fields = ["code"]


class DirectForm(forms.ModelForm):
    class Meta:
        model = Currency
        fields = ["code", "name"]


@admin.register(Currency, site=site)
class CurrencyAdmin(TimestampAdminMixin, admin.ModelAdmin):
    """Chooses its form behind the mixin's back."""

    def get_form(self, request, obj=None, change=False, **kwargs):
        return DirectForm


@admin.register(Token, site=site)
class TokenAdmin(TimestampAdminMixin, admin.ModelAdmin):
    touch_confirmation_template = "admin/clean_timestamps/touch_confirmation.html"


@admin.register(Remote, site=site)
class RemoteAdmin(TimestampAdminMixin, admin.ModelAdmin):
    pass


@admin.register(Animal, Dog, site=site)
class AnimalAdmin(TimestampAdminMixin, admin.ModelAdmin):
    fieldsets = [("First", {"fields": ["timestamp_timeline"]}), (None, {"fields": ["name"]})]


@admin.register(Attachment, site=site)
class AttachmentAdmin(TimestampAdminMixin, admin.ModelAdmin):
    fields = ["timestamp_timeline", "project"]
    timestamp_timeline = False


@admin.register(Product, site=site)
class ProductAdmin(TimestampAdminMixin, admin.ModelAdmin):
    fields = ["sku"]


bare_site.register(Note, NoteAdmin)

urlpatterns = [path("admin/", site.urls), path("bare/", bare_site.urls)]
