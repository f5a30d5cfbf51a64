"""What was ever counted, of every series once."""

import pytest

from django_clean_timestamps.metrics.queries.totals import Totals, read_totals
from django_clean_timestamps.metrics.series import ALL
from tests.metrics.exporters.observed import EVERY, observe_at_random
from tests.metrics.figures import MIDNIGHT

pytestmark = pytest.mark.django_db


def test_where_nothing_was_counted_there_is_nothing():
    assert read_totals("default") == Totals(counted_until=0, series=())


def test_every_series_has_what_was_observed_of_it(django_assert_num_queries):
    observed = observe_at_random()
    with django_assert_num_queries(3):
        totals = read_totals("default")
    found = {(each.model, each.operation, each.outcome, each.database): each for each in totals.series}
    assert list(found) == sorted(EVERY)
    for series, total in found.items():
        assert total.sketch.count == len(observed.seconds[series])
        assert total.sketch.sum == pytest.approx(sum(observed.seconds[series]), abs=1e-6)
        assert (total.sketch.min, total.sketch.max) == (min(observed.seconds[series]), max(observed.seconds[series]))
        assert total.row_count == observed.rows[series]
    assert ALL not in {each.model for each in totals.series}
    assert totals.counted_until == MIDNIGHT + 180
