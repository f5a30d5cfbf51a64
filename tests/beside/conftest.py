from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def moment():
    """Return a time that may be given to any row: not before it was made, nor too far ahead."""
    return datetime.now(UTC) + timedelta(seconds=30)
