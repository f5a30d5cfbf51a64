"""What a project's models are made of."""

from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import CreatedAtField, UpdatedAtField
from django_clean_timestamps.stamping.querysets import TimestampManager, TimestampQuerySet

__all__ = ["BaseTimestampEntity", "CreatedAtField", "TimestampManager", "TimestampQuerySet", "UpdatedAtField"]
