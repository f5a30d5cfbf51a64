"""What a project's models are made of; and, for Django, the tables of the package itself."""

from django_clean_timestamps.delivery.models import Subscription as _Subscription  # noqa: F401 - Django finds
from django_clean_timestamps.eventlog.models import Event as _Event  # noqa: F401 - models here
from django_clean_timestamps.metrics.alerts.models import AlertState as _AlertState  # noqa: F401
from django_clean_timestamps.metrics.models import MetricSeries as _MetricSeries  # noqa: F401
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import CreatedAtField, UpdatedAtField
from django_clean_timestamps.stamping.querysets import TimestampManager, TimestampQuerySet

__all__ = ["BaseTimestampEntity", "CreatedAtField", "TimestampManager", "TimestampQuerySet", "UpdatedAtField"]
