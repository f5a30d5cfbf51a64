import pytest

from django_clean_timestamps.metrics.lease import take_lease
from django_clean_timestamps.metrics.queries.rows import read_series
from django_clean_timestamps.metrics.rollups import Rollups
from tests.metrics.figures import MIDNIGHT


@pytest.fixture
def rolled():
    """Return what rolls everything up, a day after midnight unless told, and returns the series there are then."""

    def roll_up(now=MIDNIGHT + 86_400):
        Rollups("default").roll_up(take_lease("default", 1), now)
        return read_series("default")

    return roll_up
