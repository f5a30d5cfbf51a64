"""
Repositories and their files as entities, how far a replay has come, and what a handler keeps of their events.

A file touches its repository, so a repository's ``updated_at`` says when anything in it last
changed.
"""

import hashlib
from typing import Any, ClassVar

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.models import BaseTimestampEntity


def path_digest(path: str) -> str:
    """Return the SHA-256 of ``path`` as hexadecimal digits."""
    return hashlib.sha256(path.encode()).hexdigest()


class Repository(BaseTimestampEntity):
    """A repository; each write of one of its files touches it."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("slug"), max_length=100, unique=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("repository")
        verbose_name_plural = _("repositories")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the repository's page."""
        return reverse("codebase:repository", args=[self.slug])


class SourceFile(BaseTimestampEntity):
    """A file as the last commit left it; a file that git deletes is deleted here too."""

    touches = ("repository",)

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="files", verbose_name=_("repository"))
    path = models.TextField(_("path"))
    # Git tells paths apart byte by byte. A collation may not: MariaDB's usual one holds
    # "Changelog" and "CHANGELOG" for the same, and has no index over a whole TextField.
    path_digest = models.CharField(_("path digest"), max_length=64, editable=False)
    change_count = models.PositiveIntegerField(_("changes"), default=1)
    last_commit_number = models.PositiveIntegerField(_("last commit"), default=0)
    last_author_number = models.PositiveIntegerField(_("last author"), default=0)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        constraints = [
            models.UniqueConstraint(fields=["repository", "path_digest"], name="codebase_path_unique_in_repository")
        ]

    def __str__(self) -> str:
        return self.path

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the file under the digest of its path."""
        self.path_digest = path_digest(self.path)
        with self._naming_its_repository():
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the file, and return what was deleted."""
        with self._naming_its_repository():
            return super().delete(*args, **kwargs)

    def get_absolute_url(self) -> str:
        """Return the file's page."""
        return reverse("codebase:file", args=[self.repository.slug, self.path])

    def _naming_its_repository(self) -> timestamp_context:
        # An event says which row has changed, not what was in it, and when a handler hears of it the row may be gone.
        # What a handler must know of it goes along.
        return timestamp_context(repository=self.repository_id)


class ReplayProgress(models.Model):
    """
    How far a history has been replayed into a repository.

    Written in the transaction that writes the commits, so a replay that was stopped anywhere goes
    on with the first commit that is missing.
    """

    repository = models.OneToOneField(Repository, models.CASCADE, related_name="progress", verbose_name=_("repository"))
    commit_number = models.PositiveIntegerField(_("commit number"), default=0)
    commit_id = models.CharField(_("commit id"), max_length=64, blank=True)
    committed_at = models.DateTimeField(_("committed at"), null=True)
    commit_count = models.PositiveIntegerField(_("commits with edits"), default=0)
    edit_count = models.PositiveIntegerField(_("edits"), default=0)

    class Meta:
        verbose_name = _("replay progress")
        verbose_name_plural = _("replay progress")

    def __str__(self) -> str:
        return f"{self.repository}: commit {self.commit_number}"


class FileChange(models.Model):
    """
    An event of a file, kept by a handler for as long as the repository is there.

    It has the names of the event's own attributes, so that a page shows either in the same way. Its key is the event's
    id, so that an event that is heard again is known. Towards the repository it has no constraint in the database: no
    handler must ever be the reason why somebody cannot delete one.
    """

    COPIED: ClassVar = (
        "event_id",
        "position",
        "event_type",
        "entity_id",
        "occurred_at",
        "recorded_at",
        "reason",
        "actor",
    )

    entity_type: ClassVar = "codebase.sourcefile"

    event_id = models.UUIDField(_("event id"), primary_key=True, editable=False)
    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="changes",
        verbose_name=_("repository"),
    )
    position = models.BigIntegerField(_("position"))
    event_type = models.CharField(_("event type"), max_length=40)
    entity_id = models.CharField(_("entity id"), max_length=200)
    occurred_at = models.DateTimeField(_("occurred at"))
    recorded_at = models.DateTimeField(_("recorded at"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    actor = models.CharField(_("actor"), max_length=150, blank=True)

    class Meta:
        ordering = ["-position"]
        verbose_name = _("file change")
        verbose_name_plural = _("file changes")
        indexes = [
            models.Index(fields=["repository", "position"], name="codebase_change_of_repository"),
            models.Index(fields=["entity_id", "position"], name="codebase_change_of_file"),
        ]

    def __str__(self) -> str:
        return f"#{self.position} {self.entity_id}"


class RepositoryStatistics(models.Model):
    """How many files of a repository were created, updated and deleted in a year; kept by a handler."""

    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="statistics",
        verbose_name=_("repository"),
    )
    year = models.PositiveSmallIntegerField(_("year"))
    created_count = models.PositiveIntegerField(_("created"), default=0)
    updated_count = models.PositiveIntegerField(_("updated"), default=0)
    deleted_count = models.PositiveIntegerField(_("deleted"), default=0)
    last_changed_at = models.DateTimeField(_("last changed at"))

    class Meta:
        ordering = ["year"]
        verbose_name = _("repository statistics")
        verbose_name_plural = _("repository statistics")
        constraints = [
            models.UniqueConstraint(fields=["repository", "year"], name="codebase_statistics_once_a_year"),
        ]

    def __str__(self) -> str:
        return f"{self.repository_id}, {self.year}"
