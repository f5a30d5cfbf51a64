"""Operations in a table, and one of them in detail."""

from datetime import UTC, datetime

import pytest

from django_clean_timestamps.metrics.models import MetricExample, MetricReason
from django_clean_timestamps.metrics.queries.filters import Filters
from django_clean_timestamps.metrics.queries.operations import (
    read_distribution,
    read_examples,
    read_heat,
    read_operations,
    read_reasons,
)
from tests.metrics.figures import HANDLER, MIDNIGHT, SAVE, number_of, write_minute

pytestmark = pytest.mark.django_db

INVALID = ("shop.order", "update", "invalid", "default")
ITEM = ("shop.item", "create", "ok", "other")


def day(**values):
    return Filters(range="24h", start=MIDNIGHT, end=MIDNIGHT + 86_400, **values)


@pytest.fixture
def series(rolled):
    for minute in (0, 600):
        write_minute(MIDNIGHT + 60 * minute, SAVE, [0.001] * 10 + [0.064], rows=11)
    write_minute(MIDNIGHT, INVALID, [0.0001] * 3)
    write_minute(MIDNIGHT, ITEM, [0.002] * 5)
    write_minute(MIDNIGHT, HANDLER, [1.5], rows=200)
    return rolled()


def test_a_table_has_every_operation_most_frequent_first(series, django_assert_num_queries):
    with django_assert_num_queries(1):
        rows = read_operations("default", day(), series)
    assert [(row.model, row.operation, row.database, row.count, row.invalid, row.failed) for row in rows] == [
        ("shop.order", "update", "default", 25, 3, 0),
        ("shop.item", "create", "other", 5, 0, 0),
        ("", "handler:shop.mail", "default", 1, 0, 0),
    ]
    first, _, handler = rows
    assert first.p50 == pytest.approx(0.001, rel=0.006)
    assert first.longest_seconds == pytest.approx(0.064)
    assert (first.row_count, handler.row_count) == (25, 200)


def test_what_only_failed_has_no_latency(series):
    (row,) = read_operations("default", day(outcome="invalid"), series)
    assert (row.count, row.p95, row.longest_seconds) == (3, None, None)


def test_it_is_narrowed_by_each_filter(series):
    for values in ({"model": "shop.item"}, {"operation": "create"}, {"database": "other"}):
        assert [row.model for row in read_operations("default", day(**values), series)] == ["shop.item"]


def test_how_long_everything_took_is_one_sketch(series):
    assert read_distribution("default", day(model="shop.order", outcome="ok"), series).count == 22
    assert read_distribution("default", day(operation="handler:shop.mail"), series).count == 1
    assert not read_distribution("default", day(model="shop.item", operation="touch"), series)


class TestHeat:
    def test_each_cell_counts_what_took_so_long_then(self, series):
        heat = read_heat("default", day(model="shop.order", outcome="ok"), series)
        assert 12 <= len(heat.times) <= 48
        assert heat.times[0] == datetime.fromtimestamp(MIDNIGHT, UTC)
        assert sum(map(sum, heat.counts)) == 22
        assert {len(column) for column in heat.counts} == {len(heat.bounds) - 1}
        column = heat.counts[0]
        assert (column[0], column[-1]) == (10, 1)
        assert heat.bounds[0] < 0.001 <= heat.bounds[1]
        assert heat.bounds[-2] < 0.064 <= heat.bounds[-1] * 1.001
        assert all(low < high for low, high in zip(heat.bounds, heat.bounds[1:], strict=False))

    def test_where_nothing_happened_there_is_no_cell(self, series):
        heat = read_heat("default", day(model="shop.item", operation="touch"), series)
        assert (heat.times, heat.bounds, heat.counts) == ((), (), ())


class TestDetails:
    @pytest.fixture(autouse=True)
    def _details(self, series):
        for writer, count in ((1, 3), (2, 4)):
            MetricReason.objects.create(
                hour=MIDNIGHT, series_id=number_of(SAVE), writer_id=writer, reason="import", count=count
            )
        MetricReason.objects.create(hour=MIDNIGHT, series_id=number_of(ITEM), writer_id=1, reason="sync", count=9)
        for rank, series in enumerate((SAVE, ITEM)):
            MetricExample.objects.create(
                hour=MIDNIGHT,
                series_id=number_of(series),
                writer_id=1,
                rank=rank,
                seconds=rank + 1,
                occurred_at=datetime.fromtimestamp(MIDNIGHT + 5, UTC),
                entity_id="7",
                reason="import",
            )

    def test_reasons_are_summed_over_processes(self, series):
        reasons = read_reasons("default", day(), series, may_see=lambda model: True)
        assert [(each.model, each.reason, each.count) for each in reasons] == [
            ("shop.item", "sync", 9),
            ("shop.order", "import", 7),
        ]

    def test_of_a_model_that_may_not_be_seen_there_is_neither_reason_nor_example(self, series):
        def may_see(model):
            return model == "shop.order"

        assert [each.reason for each in read_reasons("default", day(), series, may_see=may_see)] == ["import"]
        (example,) = read_examples("default", day(), series, may_see=may_see)
        assert (example.model, example.operation, example.outcome) == ("shop.order", "update", "ok")
        assert (example.entity_id, example.reason, example.seconds, example.database) == ("7", "import", 1, "default")

    def test_the_slowest_come_first(self, series):
        found = read_examples("default", day(), series, may_see=lambda model: True)
        assert [each.seconds for each in found] == [2, 1]

    def test_only_those_of_the_range(self, series):
        filters = Filters(range="own", start=MIDNIGHT + 10, end=MIDNIGHT + 3_600)
        assert read_examples("default", filters, series, may_see=lambda model: True) == []
