"""The one place that connects what lies lower to what lies higher."""

from __future__ import annotations

__all__ = ["connect"]


def connect() -> None:
    """Attach the log to the unit of work, register the checks and the admin's pages. Called when the apps are ready."""
    from django.apps import apps
    from django.core.signals import setting_changed

    from django_clean_timestamps import checks
    from django_clean_timestamps.delivery import doorbell
    from django_clean_timestamps.delivery.places import cursors_of_log
    from django_clean_timestamps.delivery.registry import autodiscover
    from django_clean_timestamps.eventlog.cursors import answer_for_cursors
    from django_clean_timestamps.eventlog.writer import LogWriter
    from django_clean_timestamps.metrics import recording
    from django_clean_timestamps.stamping.deletion import hear_slow_deletions
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.tasks import context_headers, event_arguments, metrics, schedule, worker
    from django_clean_timestamps.unit_of_work import attach_bell, attach_writer

    attach_writer(LogWriter())
    attach_bell(doorbell.ring)
    setting_changed.connect(doorbell.forget_app, dispatch_uid="clean_timestamps")
    for celery_side in (event_arguments, context_headers, schedule, worker, metrics):
        celery_side.connect()
    answer_for_cursors(cursors_of_log)
    autodiscover()
    recording.connect()
    hear_slow_deletions(model for model in apps.get_models() if issubclass(model, BaseTimestampEntity))
    checks.register()
    if apps.is_installed("django.contrib.admin"):
        from django_clean_timestamps.admin.registration import register_on_default_site

        register_on_default_site()
