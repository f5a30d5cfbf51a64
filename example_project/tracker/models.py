"""
The tracker's entities, and what its pages show of their events.

A comment touches its task and a task its project, so a project's ``updated_at`` says when anything
in it last changed.

What handlers write has no constraint in the database towards the entities: the events of a row may be
handled when it is long gone, and no handler must ever be the reason why somebody cannot delete one.
"""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.events import TimestampEvent
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


class ActivityEntry(models.Model):
    """
    A change that the feed told of, kept for the activity page.

    It has the names of the event's own attributes, so that a page shows either in the same way.
    """

    COPIED: ClassVar = ("position", "entity_type", "entity_id", "occurred_at", "recorded_at", "reason", "actor")

    position = models.BigIntegerField(_("position"), primary_key=True)
    event_type = models.CharField(_("event type"), max_length=40)
    entity_type = models.CharField(_("entity type"), max_length=120)
    entity_id = models.CharField(_("entity id"), max_length=200)
    occurred_at = models.DateTimeField(_("occurred at"))
    recorded_at = models.DateTimeField(_("recorded at"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    actor = models.CharField(_("actor"), max_length=150, blank=True)

    class Meta:
        ordering = ["-position"]
        verbose_name = _("activity entry")
        verbose_name_plural = _("activity")
        indexes = [models.Index(fields=["entity_type", "position"], name="tracker_activity_by_type")]

    def __str__(self) -> str:
        return f"#{self.position} {self.entity_type} {self.entity_id}"

    @classmethod
    def of(cls, event: TimestampEvent) -> Self:
        """Return an entry, not saved yet, of an event that was read from the feed."""
        return cls(event_type=event.event_type, **{name: getattr(event, name) for name in cls.COPIED})


class ActivityCursor(models.Model):
    """The one row that says how far the feed has been read into the activity."""

    KEY: ClassVar = 1

    cursor = models.TextField(_("cursor"), blank=True)

    class Meta:
        verbose_name = _("activity cursor")
        verbose_name_plural = _("activity cursors")

    def __str__(self) -> str:
        return self.cursor or "–"


class ProjectStatistics(models.Model):
    """How often anything in a project has changed, and what the last change was; kept by a handler."""

    project = models.OneToOneField(
        Project,
        models.CASCADE,
        primary_key=True,
        db_constraint=False,
        related_name="statistics",
        verbose_name=_("project"),
    )
    change_count = models.PositiveIntegerField(_("changes"), default=0)
    position = models.BigIntegerField(_("position of the last event counted"), default=0)
    last_changed_at = models.DateTimeField(_("last changed at"), null=True)
    last_reason = models.CharField(_("last reason"), max_length=200, blank=True)
    last_actor = models.CharField(_("last actor"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("project statistics")
        verbose_name_plural = _("project statistics")

    def __str__(self) -> str:
        return f"{self.project_id}: {self.change_count}"


class Notification(models.Model):
    """Somebody was told of a change of a task; written by a Celery task, where mail would be sent."""

    event_id = models.UUIDField(_("event id"), primary_key=True, editable=False)
    task = models.ForeignKey(
        Task, models.CASCADE, db_constraint=False, related_name="notifications", verbose_name=_("task")
    )
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        db_constraint=False,
        related_name="notifications",
        verbose_name=_("recipient"),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    sent_at = models.DateTimeField(_("sent at"), default=timezone.now)

    class Meta:
        ordering = ["-sent_at"]
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")

    def __str__(self) -> str:
        return f"{self.recipient_id}: {self.reason}"
