"""Handlers that hear the events of the log later: once, in order, whatever crashes."""

from django_clean_timestamps.delivery.registry import on_timestamp
from django_clean_timestamps.exceptions import RetryLater

__all__ = ["RetryLater", "on_timestamp"]
