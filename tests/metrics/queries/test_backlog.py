"""Queues by time, and how each stood last."""

import pytest

from django_clean_timestamps.admin.charts.values import STYLE_COUNT
from django_clean_timestamps.metrics.models import MetricSample
from django_clean_timestamps.metrics.queries.backlog import LAGS_SHOWN, read_backlog, read_lags, read_standings
from django_clean_timestamps.metrics.queries.filters import Filters
from tests.metrics.figures import MIDNIGHT

pytestmark = pytest.mark.django_db


HOUR = Filters(range="1h", start=MIDNIGHT, end=MIDNIGHT + 3_600)


def sample(start, waiting, oldest=None, *, tier=0, kind="log", handler="", state="", log="default", database=""):
    MetricSample.objects.create(
        tier=tier,
        start=start,
        kind=kind,
        log_alias=log,
        handler=handler,
        database=database,
        state=state,
        waiting=waiting,
        oldest_seconds=oldest,
        position=waiting,
    )


def test_a_minute_is_as_bad_as_its_worst_sample():
    sample(MIDNIGHT, 5, 1.5)
    sample(MIDNIGHT + 15, 9, 0.5)
    sample(MIDNIGHT + 45, 0)
    sample(MIDNIGHT + 120, 0)
    backlog = read_backlog("default", Filters(range="1h", start=MIDNIGHT, end=MIDNIGHT + 3_600))
    assert backlog.waiting[:4] == (9, None, 0, None)
    assert backlog.oldest_seconds[:4] == (1.5, None, 0.0, None)
    assert len(backlog.times) == 60


def test_the_worst_of_all_counts_unless_something_explains_it():
    sample(MIDNIGHT, 3, 1.0)
    sample(MIDNIGHT, 7, 2.0, kind="subscription", handler="a", state="active")
    for state in ("paused", "replaying", "orphan"):
        sample(MIDNIGHT, 1_000, 9_000.0, kind="subscription", handler=state, state=state)
    backlog = read_backlog("default", Filters(range="1h", start=MIDNIGHT, end=MIDNIGHT + 3_600))
    assert (backlog.waiting[0], backlog.oldest_seconds[0]) == (7, 2.0)


def test_longer_times_have_rows_of_their_own():
    sample(MIDNIGHT, 5, tier=600)
    sample(MIDNIGHT, 7)
    backlog = read_backlog("default", Filters(range="24h", start=MIDNIGHT, end=MIDNIGHT + 86_400))
    assert (backlog.step_seconds, backlog.waiting[0]) == (600, 5)


def lag(start, waiting, oldest=None, *, handler="a", state="active", **where):
    sample(start, waiting, oldest, kind="subscription", handler=handler, state=state, **where)


class TestLags:
    def test_each_subscription_is_as_far_behind_as_in_its_worst_sample(self, django_assert_num_queries):
        lag(MIDNIGHT, 5, 1.5)
        lag(MIDNIGHT + 45, 9, 0.5)
        lag(MIDNIGHT + 120, 0)
        lag(MIDNIGHT + 120, 3, 2.5, handler="b")
        with django_assert_num_queries(2):
            lags = read_lags("default", HOUR)
        first, second = lags.furthest
        assert (first.handler, second.handler) == ("a", "b")
        assert first.waiting[:4] == (9, None, 0, None)
        assert first.oldest_seconds[:4] == (1.5, None, 0.0, None)
        assert second.waiting[:4] == (None, None, 3, None)
        assert len(first.waiting) == len(first.oldest_seconds) == len(lags.times) == 60
        assert (lags.times[0].timestamp(), lags.step_seconds) == (MIDNIGHT, 60)

    def test_what_explains_a_lag_hides_none_and_logs_are_none(self):
        sample(MIDNIGHT, 100, 100.0)
        for state in ("paused", "replaying", "orphan"):
            lag(MIDNIGHT, 7, handler=state, state=state)
        assert [each.handler for each in read_lags("default", HOUR).furthest] == ["orphan", "paused", "replaying"]

    def test_those_that_were_furthest_behind_come_first_and_the_rest_is_counted(self):
        lag(MIDNIGHT, 900, handler="was")
        lag(MIDNIGHT + 60, 0, handler="was")
        lag(MIDNIGHT + 60, 8, 1.0, handler="young")
        lag(MIDNIGHT + 60, 8, 2.0, handler="old")
        lag(MIDNIGHT + 60, 7, 9.0, handler="other")
        lag(MIDNIGHT + 60, 1, handler="another")
        lags = read_lags("default", HOUR, limit=3)
        assert [each.handler for each in lags.furthest] == ["was", "old", "young"]
        assert (lags.others_count, lags.others_waiting) == (2, 7)

    def test_there_are_as_many_as_there_are_lines_to_tell_apart(self):
        assert LAGS_SHOWN == STYLE_COUNT
        for number in range(LAGS_SHOWN + 2):
            lag(MIDNIGHT, number, handler=f"h{number}")
        lags = read_lags("default", HOUR)
        assert [each.handler for each in lags.furthest] == ["h7", "h6", "h5", "h4", "h3", "h2"]
        assert (lags.others_count, lags.others_waiting) == (2, 1)

    def test_a_handler_has_a_subscription_for_each_log_and_database(self):
        lag(MIDNIGHT, 3, log="default", database="default")
        lag(MIDNIGHT, 5, log="other", database="default")
        lag(MIDNIGHT, 4, log="other", database="other")
        lags = read_lags("default", HOUR, limit=2)
        found = [(each.log_alias, each.database, each.waiting[0]) for each in lags.furthest]
        assert found == [("other", "default", 5), ("other", "other", 4)]
        assert (lags.others_count, lags.others_waiting) == (1, 3)

    def test_longer_times_have_rows_of_their_own(self):
        lag(MIDNIGHT, 5, tier=600)
        lag(MIDNIGHT, 7)
        lags = read_lags("default", Filters(range="24h", start=MIDNIGHT + 1, end=MIDNIGHT + 86_401))
        assert (lags.step_seconds, lags.furthest[0].waiting[:2], len(lags.times)) == (600, (5, None), 145)

    def test_where_nothing_was_sampled_there_are_none(self):
        lag(MIDNIGHT - 1, 5)
        lag(MIDNIGHT + 3_600, 5)
        lags = read_lags("default", HOUR)
        assert (lags.furthest, lags.others_count, lags.others_waiting) == ((), 0, 0)


def test_the_last_standing_of_each():
    sample(MIDNIGHT, 1)
    sample(MIDNIGHT + 15, 2)
    sample(MIDNIGHT + 15, 3, kind="subscription", handler="a", state="paused")
    log, subscription = read_standings("default", MIDNIGHT + 16)
    assert (log.kind, log.waiting, log.raises_alarm) == ("log", 2, True)
    assert (subscription.handler, subscription.waiting, subscription.raises_alarm) == ("a", 3, False)
