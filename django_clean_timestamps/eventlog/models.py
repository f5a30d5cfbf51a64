"""The tables of the event log, in every database that holds entities."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.eventlog.fields import DatabaseNow, DatabaseTimeField, UtcDateTimeField
from django_clean_timestamps.eventlog.reading import LogManager
from django_clean_timestamps.events.validation import (
    ACTOR_LENGTH,
    CORRELATION_ID_LENGTH,
    ENTITY_ID_LENGTH,
    REASON_LENGTH,
)

__all__ = ["ENTITY_TYPE_LENGTH", "HEAD_KEY", "SCHEMA", "Event", "LogHead", "Pending"]

ENTITY_TYPE_LENGTH: Final = 120
"""How long the label of an entity may be, in characters."""

SCHEMA: Final = 1
"""The version of the columns' meaning that this release writes and can read."""

HEAD_KEY: Final = 1


class EventColumns(models.Model):
    """
    What the log knows of an event.

    Every column that is not null has a default in the database, so that an older release can still insert beside a
    newer migration. No foreign key leads to or from the log, and there is no index without a measurement.
    """

    event_id = models.UUIDField(db_default=UUID(int=0))
    schema = models.SmallIntegerField(db_default=SCHEMA)
    slot = models.SmallIntegerField(db_default=0)
    kind = models.SmallIntegerField(db_default=0)
    entity_type = models.CharField(max_length=ENTITY_TYPE_LENGTH, db_default="")
    entity_id = models.CharField(max_length=ENTITY_ID_LENGTH, db_default="")
    occurred_at = UtcDateTimeField(db_default=DatabaseNow())
    recorded_at = DatabaseTimeField(db_default=DatabaseNow())
    previous_at = UtcDateTimeField(null=True)  # type: ignore[misc]
    reason = models.CharField(max_length=REASON_LENGTH, db_default="")
    actor = models.CharField(max_length=ACTOR_LENGTH, db_default="")
    correlation_id = models.CharField(max_length=CORRELATION_ID_LENGTH, db_default="")
    metadata = models.JSONField(null=True)

    objects: ClassVar[LogManager[Any]] = LogManager()

    class Meta:
        abstract = True


class Pending(EventColumns):
    """An event that is committed and has no position yet; a row lives until the sequencer moves it."""

    id = models.BigAutoField(primary_key=True)

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("pending event")
        verbose_name_plural = _("pending events")
        # They are seen with the log.
        default_permissions: ClassVar[Any] = ()

    def __str__(self) -> str:
        return f"{self.entity_type} {self.entity_id}"


class Event(EventColumns):
    """An event in its place; never updated, and deleted by retention alone."""

    position = models.BigIntegerField(primary_key=True)

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("event")
        verbose_name_plural = _("event log")
        default_permissions: ClassVar[Any] = ("view",)
        indexes = [
            models.Index(fields=["entity_type", "entity_id", "position"], name="clean_timestamps_event_entity"),
        ]

    def __str__(self) -> str:
        return f"#{self.position} {self.entity_type} {self.entity_id}"


class LogHead(models.Model):
    """The one row that a sequencer locks: the last position given, and when it was."""

    id = models.SmallIntegerField(primary_key=True, default=HEAD_KEY, db_default=HEAD_KEY)
    position = models.BigIntegerField(db_default=0)
    sequenced_at = DatabaseTimeField(null=True)  # type: ignore[misc]

    class Meta:
        app_label = "clean_timestamps"
        verbose_name = _("log head")
        verbose_name_plural = _("log heads")
        default_permissions: ClassVar[Any] = ()

    def __str__(self) -> str:
        return f"head {self.position}"
