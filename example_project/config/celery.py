"""
The example's Celery app.

Nothing in it is about timestamps: the package brings its tasks, and their place in beat's schedule, by itself. A worker
with the schedule in it, and no server, is ``celery -A config worker -B``.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
