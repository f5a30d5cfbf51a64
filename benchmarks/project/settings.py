"""
The settings of every process that ``latency``, ``throughput``, ``doorbell`` and ``worker`` start.

All sides have the same: connections that last, the same broker of Celery's, no results. ``BENCHMARK_MADE_DATABASE``
names the database that was made for the run; without a ``BENCHMARK_BROKER_URL`` the project has no broker.
"""

import importlib.util
import os

from benchmarks.settings import *  # noqa: F403
from benchmarks.settings import DATABASES, INSTALLED_APPS

DATABASES["default"]["CONN_MAX_AGE"] = None
if made := os.environ.get("BENCHMARK_MADE_DATABASE"):
    DATABASES["default"]["NAME"] = made

PEERS = ("procrastinate.contrib.django", "django_outbox_pattern")
INSTALLED_APPS += ["benchmarks.project", *(name for name in PEERS if importlib.util.find_spec(name.partition(".")[0]))]

if broker := os.environ.get("BENCHMARK_BROKER_URL"):
    CELERY_BROKER_URL = broker
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Celery closes the connections before and after each task unless told otherwise, whatever CONN_MAX_AGE says. What does
# not run in it keeps them, so that is what it is told, but where a side shows how it does as Celery comes.
if not os.environ.get("BENCHMARK_RECONNECTING"):
    CELERY_DB_REUSE_MAX = 1_000_000
# More than the default, as Celery's manual has it for many short tasks.
CELERY_WORKER_PREFETCH_MULTIPLIER = 64

# The tasks are named, and not looked for in each app.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = None
PROCRASTINATE_IMPORT_PATHS = ["benchmarks.peers.procrastinate_tasks"]

DJANGO_OUTBOX_PATTERN = {
    "DEFAULT_STOMP_HOST_AND_PORTS": [("127.0.0.1", int(os.environ.get("BENCHMARK_STOMP_PORT", "61613")))],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
}
