"""
The tracker's entities.

A comment touches its task and a task its project, so a project's ``updated_at`` says when anything
in it last changed.
"""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.models import BaseTimestampEntity


class Project(BaseTimestampEntity):
    """A body of work with tasks."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    description = models.TextField(_("description"), blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("project")
        verbose_name_plural = _("projects")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the project's page."""
        return reverse("tracker:project", args=[self.slug])


class Task(BaseTimestampEntity):
    """Something to do in a project; each write touches the project."""

    class Status(models.TextChoices):
        """How far a task has come."""

        OPEN = "open", _("Open")
        IN_PROGRESS = "in_progress", _("In progress")
        REVIEW = "review", _("In review")
        DONE = "done", _("Done")

    touches = ("project",)

    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks", verbose_name=_("project"))
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.OPEN)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="written_tasks",
        verbose_name=_("author"),
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="assigned_tasks",
        verbose_name=_("assignee"),
    )

    class Meta:
        ordering = ["-updated_at", "-pk"]
        verbose_name = _("task")
        verbose_name_plural = _("tasks")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Return the task's page."""
        return reverse("tracker:task", args=[self.pk])


class Comment(BaseTimestampEntity):
    """A remark on a task; each write touches the task, and so its project."""

    touches = ("task",)

    task = models.ForeignKey(Task, models.CASCADE, related_name="comments", verbose_name=_("task"))
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="comments",
        verbose_name=_("author"),
    )
    body = models.TextField(_("text"))

    class Meta:
        ordering = ["created_at", "pk"]
        verbose_name = _("comment")
        verbose_name_plural = _("comments")

    def __str__(self) -> str:
        return self.body[:60]

    def get_absolute_url(self) -> str:
        """Return the place of the comment on its task's page."""
        return f"{reverse('tracker:task', args=[self.task_id])}#comment-{self.pk}"
