import os
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import setup_databases, teardown_databases
from hypothesis import settings

from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.stamping import deletion

MARKED_VENDORS = {"sqlite": "sqlite", "postgres": "postgresql", "mariadb": "mysql"}

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def vendor() -> str:
    """Return the vendor of the databases under test: ``sqlite``, ``postgresql`` or ``mysql`` (MariaDB)."""
    return connection.vendor


def pytest_report_header() -> str:
    return f"database: {os.environ.get('TEST_DATABASE', 'sqlite')}"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        wanted = [marker for marker in MARKED_VENDORS if item.get_closest_marker(marker)]
        if wanted and connection.vendor not in {MARKED_VENDORS[marker] for marker in wanted}:
            item.add_marker(pytest.mark.skip(reason=f"runs on {' and '.join(wanted)} only"))


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, django_db_keepdb: bool, django_db_modify_db_settings: None
) -> Iterator[None]:
    """
    Make both databases, whichever tests were chosen.

    pytest-django makes those that the marks of the chosen tests name, and does not see that a fixture of ours commits.
    """
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases=set(connections), keepdb=django_db_keepdb)
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(made, verbosity=0)


def stop_hearing(model: Any) -> None:
    """Disconnect the package from the deletions of a model."""
    for signal in (pre_delete, post_delete):
        signal.disconnect(sender=model, dispatch_uid=f"clean_timestamps {model._meta.label}")
    deletion._hearing.discard(model)


@pytest.fixture(autouse=True)
def _deleted_fast_again() -> Iterator[None]:
    """Forget what a test's own receivers made slow: to a project it stays so."""
    yield
    for model in [each for each in deletion._hearing if not deletion._always_slow.get(each)]:
        stop_hearing(model)


@pytest.fixture(autouse=True)
def _no_handlers() -> Iterator[None]:
    """Let a test hear of no handler but its own: the example's apps have some."""
    with only_handlers():
        yield


@pytest.fixture(autouse=True, scope="session")
def _empty_tables_by_delete() -> Iterator[None]:
    """
    Empty PostgreSQL's tables by DELETE after a test that commits.

    Django's TRUNCATE of a hundred tables, nearly all of them empty, makes new files for each and syncs them: 0.3 to 1 s
    a test, and there are hundreds. Foreign keys are checked at COMMIT, so the order does not matter.
    """
    if connection.vendor != "postgresql":
        yield
        return
    operations = type(connections["default"].ops)
    truncate = operations.sql_flush

    def sql_flush(self: Any, style: Any, tables: Any, *, reset_sequences: bool = False, **options: Any) -> list[str]:
        if reset_sequences:
            return truncate(self, style, tables, reset_sequences=True, **options)
        return [f"DELETE FROM {self.quote_name(table)}" for table in tables]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "sql_flush", sql_flush)
        yield
