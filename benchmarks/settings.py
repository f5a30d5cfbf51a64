"""
The settings of the benchmarks, on the database that ``BENCHMARK_DATABASE`` names.

Servers are named by the variables of the tests: ``POSTGRES_HOST``, ``_PORT``, ``_USER``, ``_PASSWORD`` and the same
with ``MARIADB_``. The benchmarks make and drop a database of their own; ``BENCHMARK_DATABASE_NAME`` keeps two runs on
one server apart. SQLite's is a file in ``BENCHMARK_DIRECTORY``, with the journal and transaction mode that Django
leaves it with.
"""

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

BENCHMARK_DATABASE_NAME = os.environ.get("BENCHMARK_DATABASE_NAME", "clean_timestamps_bench")


def database(vendor: str, name: str) -> dict[str, Any]:
    """Return Django's settings for a database that is not there yet: ``NAME`` is one that the server always has."""
    if vendor == "sqlite":
        directory = Path(os.environ.get("BENCHMARK_DIRECTORY", tempfile.gettempdir()))
        path = str(directory / f"{name}.sqlite3")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "TEST": {"NAME": path}}
    if vendor == "postgresql":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "HOST": os.environ.get("POSTGRES_HOST", "127.0.0.1"),
            "PORT": os.environ.get("POSTGRES_PORT", "5432"),
            "USER": os.environ.get("POSTGRES_USER", "postgres"),
            "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
            "TEST": {"NAME": name},
        }
    if vendor == "mariadb":
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "",
            "HOST": os.environ.get("MARIADB_HOST", "127.0.0.1"),
            "PORT": os.environ.get("MARIADB_PORT", "3306"),
            "USER": os.environ.get("MARIADB_USER", "root"),
            "PASSWORD": os.environ.get("MARIADB_PASSWORD", ""),
            "OPTIONS": {"charset": "utf8mb4"},
            "TEST": {"NAME": name, "CHARSET": "utf8mb4", "COLLATION": "utf8mb4_general_ci"},
        }
    raise ValueError(f"BENCHMARK_DATABASE is {vendor!r}; it must be 'sqlite', 'postgresql' or 'mariadb'")


def peer_apps() -> list[str]:
    """Return the apps of those peers that are installed, with what they need."""
    peers = [name for name in ("simple_history", "reversion") if importlib.util.find_spec(name)]
    needed = ["django.contrib.auth", "django.contrib.contenttypes"] if peers else []
    return [*needed, *peers, "benchmarks.peers"]


DATABASES = {"default": database(os.environ.get("BENCHMARK_DATABASE", "sqlite"), BENCHMARK_DATABASE_NAME)}
# What metrics cost is measured by itself; here their thread would write beside what is timed.
CLEAN_TIMESTAMPS = {"METRICS": False}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django_clean_timestamps",
    "benchmarks",
    *(peer_apps() if os.environ.get("BENCHMARK_PEERS") else []),
]
SECRET_KEY = "benchmarks"
TIME_ZONE = "UTC"
USE_TZ = True
