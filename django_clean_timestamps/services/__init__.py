"""Thin, typed repositories and services over managers and transactions; errors are Django's own."""

from django_clean_timestamps.services.cleanup import CleanupReport, KeptEntity
from django_clean_timestamps.services.repository import BaseTimestampRepository
from django_clean_timestamps.services.service import BaseTimestampService

__all__ = ["BaseTimestampRepository", "BaseTimestampService", "CleanupReport", "KeptEntity"]
