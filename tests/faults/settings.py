"""
The settings of the processes that the faults happen to.

``FAULTS_DATABASE`` is the database's settings as JSON, ``FAULTS_SETTINGS`` the package's, ``FAULTS_ISOLATION`` the
isolation level, by its name in SQL, ``FAULTS_METRICS_DATABASE`` that of the metrics, where it is another one,
``FAULTS_BROKER`` the address of Celery's broker, where there is one.
"""

import json
import os
from typing import Any

POSTGRESQL_LEVELS = {"read committed": 2, "repeatable read": 3, "serializable": 4}


def isolation_level(engine: str, level: str) -> int | str:
    """Return an isolation level as the engine's ``OPTIONS`` take it."""
    return POSTGRESQL_LEVELS[level] if "postgresql" in engine else level


def database() -> dict[str, Any]:
    given: dict[str, Any] = json.loads(os.environ["FAULTS_DATABASE"])
    if level := os.environ.get("FAULTS_ISOLATION"):
        given.setdefault("OPTIONS", {})["isolation_level"] = isolation_level(given["ENGINE"], level)
    return given


def databases() -> dict[str, Any]:
    """Return Django's ``DATABASES``: the default, and ``metrics`` where the metrics have one of their own."""
    metrics = os.environ.get("FAULTS_METRICS_DATABASE")
    return {"default": database(), **({"metrics": json.loads(metrics)} if metrics else {})}


if broker := os.environ.get("FAULTS_BROKER"):
    CELERY_BROKER_URL = broker
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CLEAN_TIMESTAMPS = json.loads(os.environ.get("FAULTS_SETTINGS", "{}"))
DATABASES = databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_clean_timestamps", "tests.faults.app"]
# Django's own logger writes to standard error what is raised on purpose here.
LOGGING_CONFIG = None
ROOT_URLCONF = "tests.faults.site"
SECRET_KEY = "faults"
TIME_ZONE = "UTC"
USE_TZ = True
