"""
System checks: every trap that can be seen at start, each with an id, what was found and the way out.

Ids are never reused. ``E`` stops, ``W`` warns, ``I`` informs.
"""

from django.core import checks

from django_clean_timestamps.checks.celery import check_celery
from django_clean_timestamps.checks.delivery import check_delivery, check_delivery_database
from django_clean_timestamps.checks.entities import check_entities
from django_clean_timestamps.checks.log import check_log_database, check_routers
from django_clean_timestamps.checks.metrics import check_metrics, check_metrics_database
from django_clean_timestamps.checks.project import check_databases, check_settings

__all__ = ["register"]


def register() -> None:
    """Register all checks with Django."""
    checks.register(check_settings, "clean_timestamps")
    checks.register(check_databases, "clean_timestamps")
    checks.register(check_routers, "clean_timestamps")
    checks.register(check_celery, "clean_timestamps")
    checks.register(check_delivery, "clean_timestamps")
    checks.register(check_metrics, "clean_timestamps")
    checks.register(check_log_database, "clean_timestamps", checks.Tags.database)
    checks.register(check_delivery_database, "clean_timestamps", checks.Tags.database)
    checks.register(check_metrics_database, "clean_timestamps", checks.Tags.database)
    checks.register(check_entities, checks.Tags.models)
