"""
The settings of the tests, on the database that ``TEST_DATABASE`` names: ``sqlite`` (default), ``postgresql``, ``mariadb``.

Servers are named by ``POSTGRES_HOST``, ``_PORT``, ``_USER``, ``_PASSWORD`` and the same with ``MARIADB_``;
``TEST_DATABASE_NAME`` keeps two runs on one server apart. ``SQLITE_TRANSACTION_MODE`` is SQLite's ``transaction_mode``.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import django

HERE = Path(__file__).resolve().parent


def database(name: str) -> dict[str, Any]:
    vendor = os.environ.get("TEST_DATABASE", "sqlite")
    if vendor == "sqlite":
        mode = os.environ.get("SQLITE_TRANSACTION_MODE")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ":memory:",
            "OPTIONS": {"transaction_mode": mode} if mode else {},
        }
    if vendor == "postgresql":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": os.environ.get("POSTGRES_HOST", "127.0.0.1"),
            "PORT": os.environ.get("POSTGRES_PORT", "5432"),
            "USER": os.environ.get("POSTGRES_USER", "postgres"),
            "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
        }
    if vendor == "mariadb":
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": name,
            "HOST": os.environ.get("MARIADB_HOST", "127.0.0.1"),
            "PORT": os.environ.get("MARIADB_PORT", "3306"),
            "USER": os.environ.get("MARIADB_USER", "root"),
            "PASSWORD": os.environ.get("MARIADB_PASSWORD", ""),
            "OPTIONS": {"charset": "utf8mb4"},
            "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_general_ci"},
        }
    raise ValueError(f"TEST_DATABASE is {vendor!r}; it must be 'sqlite', 'postgresql' or 'mariadb'")


def installed(*modules: str) -> list[str]:
    """Return those of the third-party apps that can be imported here."""
    return [module for module in modules if importlib.util.find_spec(module.partition(".")[0])]


BASE_DATABASE_NAME = os.environ.get("TEST_DATABASE_NAME", "clean_timestamps")
DATABASES = {
    "default": database(BASE_DATABASE_NAME),
    "other": database(f"{BASE_DATABASE_NAME}_other"),
}
DATABASE_ROUTERS = ["tests.routers.OtherAppRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_clean_timestamps",
    "tests.testapp",
    "tests.otherapp",
    # The example project, whose replay is tested on every database.
    "tracker",
    "codebase",
    "demo",
    *(["tests.besideapp"] if (HERE / "besideapp").is_dir() else []),
    *installed("rest_framework", "import_export", "reversion", "simple_history", "polymorphic", "ordered_model"),
    # The plain configuration, and after Django's admin: the default one would replace the site of every test.
    *installed("unfold.apps.BasicAppConfig"),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"null": {"class": "logging.NullHandler"}},
    "loggers": {"django.request": {"handlers": ["null"], "propagate": True}},
}

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "tests.urls"
SECRET_KEY = "tests"
STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True
