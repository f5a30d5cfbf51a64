"""What figures mean by a rule."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.alerts.judging import (
    Level,
    Verdict,
    judge_gauge,
    judge_minutes,
    ladder_of,
    wilson_bounds,
)
from tests.metrics.alerts.figures import NOON, at, minutes_of, rule_of


def judged(name, *counts, **changes):
    return judge_minutes(rule_of(name, **changes), minutes_of(*counts), now=at(30))


class TestBounds:
    def test_they_are_wilsons(self):
        lower, upper = wilson_bounds(10, 100, z=1.96)
        assert (round(lower, 4), round(upper, 4)) == (0.0552, 0.1744)

    def test_chance_ends_at_them(self):
        for bound in wilson_bounds(10, 100):
            assert abs(0.1 - bound) == pytest.approx(2.58 * math.sqrt(bound * (1 - bound) / 100))

    def test_of_nothing_nothing_is_known(self):
        assert wilson_bounds(0, 0) == (0.0, 1.0)

    @given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
    def test_they_lie_round_the_share(self, counts):
        bad, total = counts
        lower, upper = wilson_bounds(bad, total)
        assert 0 <= lower <= bad / total + 1e-12
        assert bad / total - 1e-12 <= upper <= 1
        other = wilson_bounds(total - bad, total)
        assert (lower, upper) == pytest.approx((1 - other[1], 1 - other[0]), abs=1e-12)


class TestLadder:
    def test_it_widens_up_to_an_hour(self):
        assert ladder_of(rule_of("latency")) == (300, 900, 1800, 3600)

    def test_no_window_is_longer_than_an_hour(self):
        assert ladder_of(rule_of("latency", window_seconds=1200)) == (1200, 3600)
        assert ladder_of(rule_of("latency", window_seconds=3600)) == (3600,)


class TestMinutes:
    def test_without_an_operation_there_is_no_data(self):
        assert judged("latency").level is Level.NO_DATA
        assert judged("latency", (0, 0)).level is Level.NO_DATA
        assert judged("latency").data_version == ""

    def test_few_slow_operations_are_ok(self):
        verdict = judged("latency", (40, 1000))
        assert (verdict.level, verdict.is_bad) == (Level.OK, False)
        assert (verdict.value, verdict.limit, verdict.bad, verdict.total) == (0.04, 0.05, 40, 1000)

    def test_more_than_a_twentieth_over_the_threshold_warns(self):
        verdict = judged("latency", (80, 1000))
        assert (verdict.level, verdict.is_bad) == (Level.WARNING, True)
        assert verdict.lower > 0.05
        assert verdict.upper > 0.08

    def test_more_than_a_twentieth_that_chance_could_make_does_not(self):
        assert judged("latency", (60, 1000)).level is Level.OK

    def test_what_is_over_the_critical_threshold_is_critical(self):
        assert judged("latency", (100, 80, 1000)).level is Level.CRITICAL

    def test_four_failures_say_nothing(self):
        assert judged("validation_errors", (4, 4, 4)).level is Level.OK

    def test_five_failures_of_five_are_told_of(self):
        verdict = judged("validation_errors", *[(1, 1, 1)] * 5)
        assert (verdict.level, verdict.bad, verdict.total) == (Level.CRITICAL, 5, 5)

    def test_a_rate_has_a_limit_for_each_level(self):
        assert judged("validation_errors", (60, 60, 5000)).level is Level.WARNING
        assert judged("validation_errors", (90, 90, 5000)).level is Level.CRITICAL
        assert judged("validation_errors", (20, 20, 5000)).level is Level.OK

    def test_a_level_without_a_threshold_is_never_reached(self):
        assert judged("validation_errors", (90, 90, 5000), critical=None).level is Level.WARNING
        assert judged("validation_errors", (60, 60, 5000), warning=None).level is Level.OK
        assert judged("validation_errors", (90, 90, 5000), warning=None).level is Level.CRITICAL

    def test_with_no_threshold_at_all_it_is_ok(self):
        verdict = judged("latency", (90, 90, 100), warning=None, critical=None)
        assert (verdict.level, verdict.value) == (Level.OK, None)

    @pytest.mark.parametrize(("a_minute", "window"), [(20, 300), (19, 900), (7, 900), (4, 1800), (1, 3600)])
    def test_the_window_widens_until_it_holds_enough(self, a_minute, window):
        verdict = judged("latency", *[(0, a_minute)] * 60)
        assert (verdict.window_seconds, verdict.total) == (window, window // 60 * a_minute)

    def test_what_is_older_than_an_hour_is_passed_over(self):
        verdict = judged("latency", (30, 30), *[(0, 1)] * 60)
        assert (verdict.bad, verdict.total) == (0, 60)

    def test_minutes_without_an_operation_may_be_left_out(self):
        minutes = [minute for minute in minutes_of((9, 9), *[(0, 0)] * 40, (1, 1)) if minute.total]
        verdict = judge_minutes(rule_of("latency"), minutes, now=at(30))
        assert (verdict.level, verdict.window_seconds, verdict.bad) == (Level.WARNING, 3600, 10)

    def test_traffic_that_has_ended_is_no_data_after_an_hour(self):
        minutes = minutes_of((9, 9))
        assert judge_minutes(rule_of("latency"), minutes, now=NOON + timedelta(minutes=59)).level is Level.WARNING
        assert judge_minutes(rule_of("latency"), minutes, now=NOON + timedelta(minutes=60)).level is Level.NO_DATA

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), max_size=70))
    def test_more_bad_ones_never_make_it_better(self, counts):
        order = [Level.NO_DATA, Level.OK, Level.WARNING, Level.CRITICAL]
        better = judged("validation_errors", *((bad, bad, bad + good) for bad, good in counts))
        worse = judged("validation_errors", *((bad + good, bad + good, bad + good) for bad, good in counts))
        assert order.index(worse.level) >= order.index(better.level)


class TestDataVersion:
    def test_it_stays_as_time_goes_by(self):
        minutes = minutes_of(*[(0, 3)] * 30)
        rule = rule_of("latency")
        later = judge_minutes(rule, [*minutes[10:]], now=NOON + timedelta(minutes=9))
        assert later.data_version == judge_minutes(rule, minutes, now=NOON).data_version

    @pytest.mark.parametrize("counts", [[(0, 3), (0, 4)], [(0, 4), (0, 3)], [(0, 3), (0, 3), (0, 1)]])
    def test_another_operation_changes_it(self, counts):
        assert judged("latency", (0, 3), (0, 3)).data_version != judged("latency", *counts).data_version


class TestGauges:
    @pytest.mark.parametrize(
        ("value", "level", "limit"),
        [
            (0, "ok", 1000),
            (1000, "ok", 1000),
            (1001, "warning", 1000),
            (5000, "warning", 1000),
            (5001, "critical", 5000),
        ],
    )
    def test_a_level_is_reached_over_its_threshold(self, value, level, limit):
        verdict = judge_gauge(rule_of("undelivered"), value, sampled_at=NOON)
        assert verdict == Verdict(level=Level(level), value=value, limit=limit, data_version=NOON.isoformat())

    def test_one_dead_event_warns(self):
        assert judge_gauge(rule_of("dead_events"), 1, sampled_at=NOON).level is Level.WARNING

    def test_no_figure_is_no_data(self):
        assert judge_gauge(rule_of("undelivered"), None, sampled_at=NOON) == Verdict(level=Level.NO_DATA)

    def test_no_writer_at_all_is_the_longest_silence(self):
        verdict = judge_gauge(rule_of("collector_silence"), None, sampled_at=NOON)
        assert (verdict.level, verdict.value) == (Level.CRITICAL, None)

    def test_a_level_without_a_threshold_is_never_reached(self):
        rule = rule_of("undelivered", critical=None)
        assert judge_gauge(rule, math.inf, sampled_at=NOON).level is Level.WARNING
        rule = rule_of("undelivered", warning=None, critical=None)
        assert judge_gauge(rule, 9_999, sampled_at=NOON).limit is None
