"""
Repositories and their files as entities, and how far a replay has come.

A file touches its repository, so a repository's ``updated_at`` says when anything in it last
changed.
"""

import hashlib
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

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
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        """Return the file's page."""
        return reverse("codebase:file", args=[self.repository.slug, self.path])


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
