import pytest

from tests.metrics.alerts.tables import House, receiving


@pytest.fixture
def house(db):
    return House()


@pytest.fixture
def hearing():
    """Return what hears the signal."""
    with receiving() as hearing:
        yield hearing
