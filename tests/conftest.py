import os
from collections.abc import Iterable

import pytest
from django.db import connection
from hypothesis import settings

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
