"""The code base in the admin."""

from django.contrib import admin

from codebase.models import ReplayProgress, Repository, SourceFile
from django_clean_timestamps.admin import TimestampAdminMixin


@admin.register(Repository)
class RepositoryAdmin(TimestampAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Repositories."""

    list_display = ["name", "slug"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(SourceFile)
class SourceFileAdmin(TimestampAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Files."""

    list_display = ["path", "change_count"]
    list_filter = ["repository"]
    search_fields = ["path"]


@admin.register(ReplayProgress)
class ReplayProgressAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """How far each replay has come; to look at."""

    list_display = ["repository", "commit_number", "committed_at", "edit_count"]
    list_select_related = ["repository"]

    def has_add_permission(self, request: object) -> bool:
        """Return False: a replay writes its progress itself."""
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        """Return False: changed by hand, a replay would leave out or repeat commits."""
        return False
