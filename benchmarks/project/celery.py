"""The Celery app: ``celery --app benchmarks.project.celery worker``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project.settings")

app = Celery("benchmarks")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Of a peer, not of an app.
app.conf.imports = ("benchmarks.peers.on_commit_tasks",)
