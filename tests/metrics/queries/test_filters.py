"""What an address may ask for."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.models import Tier
from django_clean_timestamps.metrics.queries.filters import (
    RANGES,
    Filters,
    InvalidFilter,
    parse_filters,
    tier_for,
)

NOW = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
SERIES = [("shop.order", "update", "ok", "default"), ("", "handler:shop.mail", "failed", "other")]


def parsed(**parameters):
    if "from_" in parameters:
        parameters["from"] = parameters.pop("from_")
    return parse_filters(parameters, now=NOW, series=SERIES)


def test_without_any_it_is_the_last_day_of_everything():
    filters = parsed()
    assert (filters.range, filters.seconds, filters.is_narrowed) == ("24h", 86_400, False)
    assert filters.end_at - NOW == timedelta(seconds=0.5)
    assert filters.start_at == filters.end_at - timedelta(days=1)
    assert filters.as_query() == {"range": "24h"}


@pytest.mark.parametrize(("name", "seconds"), RANGES.items())
def test_each_named_range_ends_now(name, seconds):
    assert parsed(range=name).seconds == seconds


def test_names_are_those_that_exist():
    filters = parsed(model="shop.order", operation="handler:shop.mail", outcome="invalid", database="other")
    assert filters.is_narrowed
    assert filters.as_query() == {
        "range": "24h",
        "model": "shop.order",
        "operation": "handler:shop.mail",
        "outcome": "invalid",
        "database": "other",
    }


@pytest.mark.parametrize("name", ["model", "operation", "outcome", "database"])
def test_another_name_is_refused_and_not_repeated(name):
    with pytest.raises(InvalidFilter, match=f"the {name} that was asked for; there are those of: ") as raised:
        parsed(**{name: "<script>"})
    assert raised.value.name == name
    assert "<script>" not in str(raised.value)


def test_sums_have_no_name_of_their_own():
    series = [*SERIES, ("__all__", "rows", "ok", "")]
    with pytest.raises(InvalidFilter, match=r"there are those of: handler:shop\.mail, update$"):
        parse_filters({"operation": "rows"}, now=NOW, series=series)


def test_where_there_are_no_figures_that_is_said():
    with pytest.raises(InvalidFilter, match="nothing yet"):
        parse_filters({"model": "shop.order"}, now=NOW, series=[])


def test_databases_that_have_no_figures_yet_may_be_named():
    filters = parse_filters({"database": "other"}, now=NOW, series=[], databases=["other"])
    assert filters.database == "other"


class TestOwnRange:
    def test_it_leads_to_itself(self):
        filters = parsed(range="own", from_="2026-01-30T00:00:00+01:00", to="2026-01-31T00:00")
        assert filters.start_at == datetime(2026, 1, 29, 23, tzinfo=UTC)
        assert parse_filters(filters.as_query(), now=NOW, series=[]) == filters

    def test_a_time_without_a_zone_is_in_the_current_one(self):
        with timezone.override("Asia/Tokyo"):
            assert parsed(from_="2026-01-30T09:00").start_at == datetime(2026, 1, 30, tzinfo=UTC)

    def test_without_an_end_it_ends_now(self):
        assert parsed(from_="2026-01-30T09:00Z").end_at == NOW.replace(microsecond=0)

    def test_what_ends_now_leads_to_what_ends_when_that_is_looked_at(self):
        filters = parsed(from_="2026-01-30T09:00Z")
        assert filters.as_query() == {"range": "own", "from": "2026-01-30T09:00:00+00:00"}
        later = parse_filters(filters.as_query(), now=NOW + timedelta(hours=1), series=[])
        assert later.as_query() == filters.as_query()
        assert later.end - filters.end == 3_600

    def test_one_with_an_end_keeps_it(self):
        query = parsed(from_="2026-01-30T09:00Z", to="2026-01-30T10:00Z").as_query()
        assert query["to"] == "2026-01-30T10:00:00+00:00"
        assert parse_filters(query, now=NOW + timedelta(hours=1), series=[]).as_query() == query

    def test_a_named_range_has_no_end_to_keep(self):
        assert parsed(range="1h", to="2026-01-30T10:00Z").as_query() == {"range": "1h"}

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("2026-01-30T09:00Z", "2026-01-30T09:04Z"),
            ("2026-01-30T09:00Z", "2026-01-29T09:00Z"),
            ("2020-01-30T09:00Z", "2026-01-29T09:00Z"),
        ],
    )
    def test_one_that_is_too_short_or_long_is_refused(self, start, end):
        with pytest.raises(InvalidFilter, match="from 5 minutes to 400 days"):
            parsed(range="own", from_=start, to=end)

    @pytest.mark.parametrize("text", ["", "yesterday", "2026-13-45T00:00", "2026-01"])
    def test_what_is_no_time_is_refused(self, text):
        with pytest.raises(InvalidFilter, match="from is no time; give one like 2026-01-31T14:30"):
            parsed(range="own", from_=text)


def test_an_unknown_range_is_refused():
    with pytest.raises(InvalidFilter, match="none of 1h, 6h, 24h, 7d, 30d and own"):
        parsed(range="5y")


@given(st.integers(300, 400 * 86_400))
def test_a_chart_has_points_enough_and_not_too_many(seconds):
    tier = tier_for(seconds, 120)
    assert tier == Tier.MINUTE or seconds // tier >= 120
    # The tiers are up to 24 times as long as the one below.
    assert seconds / tier <= 120 * 24


def test_the_tier_of_a_chart_goes_with_its_range():
    tiers = {name: Filters(range=name, start=0, end=seconds).tier for name, seconds in RANGES.items()}
    assert tiers == {"1h": 60, "6h": 60, "24h": 600, "7d": 3_600, "30d": 3_600}
