"""A place for the check: a database, a broker and files of its own, all gone afterwards."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections

from django_clean_timestamps.contrib.filesystem_broker import broker_url
from django_clean_timestamps.metrics.recording import RECORDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Where a check runs.

    Attributes:
        folder: For files.
        environment: What another process must have in its environment to be there too.
    """

    folder: Path
    environment: Mapping[str, str]


@contextmanager
def temporary_place() -> Iterator[Place]:
    """
    Let the default database be a new, migrated one, and the broker a folder, while the block runs.

    SQLite's is a file in a temporary folder; a server's has the usual name with ``_check`` behind it. What an earlier
    check had to leave there, as it was killed, is replaced.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    entry = connection.settings_dict
    usual_name = entry["NAME"]
    with tempfile.TemporaryDirectory(prefix="clean-timestamps-demo-") as name:
        folder = Path(name)
        is_file = connection.vendor == "sqlite"
        entry["TEST"]["NAME"] = str(folder / Path(usual_name).name) if is_file else f"{usual_name}_check"
        told = {
            "EXAMPLE_DATA_DIR": name,
            "POSTGRES_DATABASE": entry["TEST"]["NAME"],
            "MARIADB_DATABASE": entry["TEST"]["NAME"],
            # Celery asks for it each time it connects, so it is ours too.
            "CELERY_BROKER_URL": broker_url(folder / "broker"),
        }
        with _told_to_processes(told):
            # As Django's own test runner does: each thread's connection takes the name from the settings.
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
            try:
                yield Place(folder=folder, environment=dict(os.environ))
            finally:
                # What was observed there must not be written into the project's own database.
                RECORDER.begin()
                connections.close_all()
                connection.creation.destroy_test_db(usual_name, verbosity=0)


@contextmanager
def _told_to_processes(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
