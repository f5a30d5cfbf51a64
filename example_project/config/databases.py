"""The example's database, chosen by the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def database_settings(environment: Mapping[str, str], *, data_folder: Path) -> dict[str, Any]:
    """
    Return one entry of ``DATABASES`` for the database that ``EXAMPLE_DATABASE`` names.

    Args:
        environment: Where the variables are looked up, usually ``os.environ``.
        data_folder: Where the SQLite file lies.

    Raises:
        ValueError: ``EXAMPLE_DATABASE`` is none of ``sqlite``, ``postgresql`` and ``mariadb``.
    """
    name = environment.get("EXAMPLE_DATABASE", "sqlite")
    if name == "sqlite":
        return _sqlite(data_folder / "example.sqlite3")
    if name == "postgresql":
        return _server(environment, "POSTGRES", engine="postgresql", port="5432", user="postgres")
    if name == "mariadb":
        return _server(environment, "MARIADB", engine="mysql", port="3306", user="root") | {
            "OPTIONS": {"charset": "utf8mb4"},
            "TEST": {"CHARSET": "utf8mb4"},
        }
    raise ValueError(f"EXAMPLE_DATABASE is {name!r}; it must be sqlite (the default), postgresql or mariadb")


def _sqlite(path: Path) -> dict[str, Any]:
    # With SQLite's default deferred BEGIN a stamp can be read before the write lock is held, and
    # a reader that follows updated_at then misses rows; IMMEDIATE takes the lock first.
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _server(environment: Mapping[str, str], prefix: str, *, engine: str, port: str, user: str) -> dict[str, Any]:
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": environment.get(f"{prefix}_DATABASE", "clean_timestamps_example"),
        "HOST": environment.get(f"{prefix}_HOST", "127.0.0.1"),
        "PORT": environment.get(f"{prefix}_PORT", port),
        "USER": environment.get(f"{prefix}_USER", user),
        "PASSWORD": environment.get(f"{prefix}_PASSWORD", ""),
    }
