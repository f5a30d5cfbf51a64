"""The Celery app of the processes that the faults happen to: ``celery --app tests.faults.celery_app worker``."""

from celery import Celery

# Lets Celery know of the broker that is a folder.
import django_clean_timestamps.contrib.filesystem_broker  # noqa: F401

app = Celery("faults")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
