"""
Settings of the example project.

Everything runs on one machine, without a server of any kind: SQLite and a broker of files in the
``var`` folder. The environment may say otherwise:

``EXAMPLE_DATABASE``
    ``sqlite`` (the default), ``postgresql`` or ``mariadb``; the servers are named by
    ``POSTGRES_HOST``, ``POSTGRES_PORT``, ``POSTGRES_USER``, ``POSTGRES_PASSWORD`` and
    ``POSTGRES_DATABASE``, or by the same names with ``MARIADB``.
``CELERY_BROKER_URL``
    ``redis://host:6379/0`` or ``amqp://user:password@host:5672//``; without it a folder. See
    ``config/brokers.py``.
``EXAMPLE_DATA_DIR``
    The folder of the SQLite file, of the broker and of beat's schedule.
``EXAMPLE_DEBUG``
    ``0`` turns ``DEBUG`` off; ``EXAMPLE_SECRET_KEY`` must be given then.
"""

import os
from pathlib import Path

from config.brokers import broker_settings
from config.databases import database_settings

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("EXAMPLE_DATA_DIR") or BASE_DIR / "var").absolute()
DATA_DIR.mkdir(parents=True, exist_ok=True)

# Only the loopback is served, so DEBUG and a known key harm nobody.
DEBUG = os.environ.get("EXAMPLE_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
SECRET_KEY = "django-insecure-example-project" if DEBUG else os.environ["EXAMPLE_SECRET_KEY"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_clean_timestamps",
    "tracker",
    "codebase",
    "demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_clean_timestamps.middleware.TimestampContextMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database_settings(os.environ, data_folder=DATA_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
LOGIN_URL = "tracker:login"
LOGIN_REDIRECT_URL = "tracker:project_list"
LOGOUT_REDIRECT_URL = "tracker:project_list"

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = broker_settings(os.environ, data_folder=DATA_DIR)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_TIMEZONE = TIME_ZONE
# Nobody waits for what a task returns.
CELERY_TASK_IGNORE_RESULT = True

# Every key has a default that serves; neither the replay nor the delivery needs any of them changed.
CLEAN_TIMESTAMPS: dict[str, object] = {}
