"""The tracker in the admin."""

from django.contrib import admin

from django_clean_timestamps.admin import TimestampAdminMixin
from tracker.models import Comment, Project, Task


@admin.register(Project)
class ProjectAdmin(TimestampAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Projects."""

    list_display = ["name", "slug"]
    search_fields = ["name", "description"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Task)
class TaskAdmin(TimestampAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Tasks."""

    list_display = ["title", "project", "status", "assignee"]
    list_filter = ["status", "project"]
    list_select_related = ["project", "assignee"]
    search_fields = ["title", "description"]
    autocomplete_fields = ["project"]


@admin.register(Comment)
class CommentAdmin(TimestampAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Comments."""

    list_display = ["__str__", "task", "author"]
    list_select_related = ["task", "author"]
    search_fields = ["body"]
    autocomplete_fields = ["task"]
