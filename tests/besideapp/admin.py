"""Admins of other packages, each with our mixin before its own class."""

from django.contrib import admin
from import_export.admin import ImportExportModelAdmin
from reversion.admin import VersionAdmin
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

from django_clean_timestamps.admin import TimestampAdminMixin
from tests.besideapp.models import Book, Page, PageNoStamps, Poll, Shelf


@admin.register(Book)
class BookAdmin(TimestampAdminMixin, ImportExportModelAdmin):
    list_display = ["title"]


@admin.register(Poll)
class PollAdmin(TimestampAdminMixin, SimpleHistoryAdmin):
    list_display = ["question"]


@admin.register(Page, PageNoStamps)
class PageAdmin(TimestampAdminMixin, VersionAdmin):
    list_display = ["title"]


unfold_site = UnfoldAdminSite()


@admin.register(Shelf, site=unfold_site)
class ShelfAdmin(TimestampAdminMixin, ModelAdmin):
    list_display = ["name"]
