"""Checks for django-health-check 4, for projects that have one page for everything."""

from django_clean_timestamps.contrib.health_check.checks import TimestampsHealth, TimestampsReady

__all__ = ["TimestampsHealth", "TimestampsReady"]
