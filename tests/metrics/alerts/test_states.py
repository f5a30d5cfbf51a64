"""What becomes of an alert over time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.alerts.judging import Level, judge_gauge
from django_clean_timestamps.metrics.alerts.states import State, Status, step
from tests.metrics.alerts.figures import NOON, at, rule_of, verdict

RULE = rule_of("undelivered", for_=2)


def run(*levels, every=15, state=None, start=0, rule=RULE):
    """Step once for each level, 15 seconds apart, each with new data."""
    for number, level in enumerate(levels):
        state = step(state, verdict(level), now=at(start + number * every), rule=rule)
    return state


def brief(state):
    return str(state.state), str(state.level), state.episode, state.version


class TestFiring:
    def test_a_new_alert_is_ok(self):
        assert brief(run("ok")) == ("ok", "ok", 0, 0)

    def test_it_is_pending_until_found_often_enough(self):
        assert brief(run("ok", "warning")) == ("pending", "ok", 0, 0)
        fired = run("ok", "warning", "warning")
        assert brief(fired) == ("firing", "warning", 1, 1)
        assert (fired.since, fired.changed_at, fired.clears_at) == (at(30), at(30), None)

    def test_once_is_enough_where_the_rule_says_so(self):
        assert brief(run("critical", rule=rule_of("dead_events"))) == ("firing", "critical", 1, 1)

    def test_pending_is_over_where_it_is_not_found(self):
        assert brief(run("warning", "ok", "warning")) == ("pending", "ok", 0, 0)

    def test_pending_is_over_where_its_data_end(self):
        assert brief(run("warning", "no_data", "warning")) == ("pending", "ok", 0, 0)

    def test_pending_keeps_its_start(self):
        assert run("warning", "warning", rule=rule_of("undelivered")).since == NOON

    def test_evaluations_without_new_data_do_not_count(self):
        state = None
        for number in range(5):
            state = step(state, verdict("warning", data=7), now=at(number * 15), rule=RULE)
        assert brief(state) == ("pending", "ok", 0, 0)
        assert brief(step(state, verdict("warning", data=8), now=at(90), rule=RULE)) == ("firing", "warning", 1, 1)

    def test_it_fires_with_the_level_that_was_found_often_enough(self):
        assert brief(run("warning", "critical")) == ("firing", "warning", 1, 1)
        assert brief(run("critical", "critical")) == ("firing", "critical", 1, 1)

    def test_what_fires_again_is_another_episode(self):
        state = run("warning", "warning", "ok")
        state = run("ok", "warning", "warning", state=state, start=700)
        assert brief(state) == ("firing", "warning", 2, 1)


class TestLevels:
    def test_it_rises_after_as_many_evaluations(self):
        state = run("warning", "warning", "critical")
        assert brief(state) == ("firing", "warning", 1, 1)
        state = run("critical", state=state, start=45)
        assert brief(state) == ("firing", "critical", 1, 2)
        assert (state.since, state.changed_at) == (at(15), at(45))

    def test_it_falls_after_it_was_held(self):
        state = run("critical", "critical", "warning")
        state = run(*["warning"] * 38, state=state, start=45)
        assert brief(state) == ("firing", "critical", 1, 1)
        state = run("warning", state=state, start=615)
        assert brief(state) == ("firing", "warning", 1, 2)


class TestClearing:
    def test_it_goes_on_firing_for_a_while_and_says_how_long(self):
        state = run("warning", "warning", "ok")
        assert brief(state) == ("firing", "warning", 1, 1)
        assert state.clears_at == at(15 + 600)

    def test_then_it_is_over(self):
        state = run("warning", "warning", "ok")
        assert run("ok", state=state, start=614).state is Status.FIRING
        state = run("ok", state=state, start=615)
        assert brief(state) == ("ok", "ok", 1, 2)
        assert (state.clears_at, state.since, state.changed_at) == (None, at(615), at(615))

    def test_found_again_meanwhile_it_is_held_anew(self):
        state = run("warning", "warning", "ok", "warning")
        assert (state.clears_at, state.episode, state.version) == (None, 1, 1)
        assert run("ok", state=state, start=60).clears_at == at(45 + 600)

    def test_a_rule_that_is_switched_off_ends_it_at_once(self):
        off = replace(RULE, enabled=False)
        state = run("warning", "warning", "critical", state=None)
        assert brief(step(state, verdict("critical"), now=at(60), rule=off)) == ("ok", "ok", 1, 2)


class TestNoData:
    def test_nothing_fired_and_there_are_none(self):
        state = run("no_data", "no_data")
        assert brief(state) == ("no_data", "ok", 0, 0)
        assert state.since == NOON
        assert brief(run("ok", state=state, start=60)) == ("ok", "ok", 0, 0)

    def test_what_fires_is_held_and_then_has_no_data(self):
        state = run("warning", "warning", "no_data")
        assert (brief(state), state.clears_at) == (("firing", "warning", 1, 1), at(615))
        state = run("no_data", "no_data", state=state, start=615)
        assert (brief(state), state.clears_at) == (("no_data", "warning", 1, 2), at(615))

    def test_found_again_it_fires_on_in_its_episode(self):
        state = run("warning", "warning", "no_data")
        state = run("no_data", "warning", state=state, start=615)
        assert (brief(state), state.clears_at) == (("firing", "warning", 1, 3), None)

    def test_well_again_it_is_over(self):
        state = run("warning", "warning", "no_data")
        assert brief(run("no_data", "ok", state=state, start=615)) == ("ok", "ok", 1, 3)

    def test_silence_of_the_collector_fires_without_new_data_from_it(self):
        rule, state = rule_of("collector_silence"), None
        for number in range(2):
            found = judge_gauge(rule, None, sampled_at=at(number * 15))
            state = step(state, found, now=at(number * 15), rule=rule)
        assert brief(state) == ("firing", "critical", 1, 1)


class TestGaps:
    def test_after_one_pending_starts_again(self):
        state = run("warning")
        state = run("warning", state=state, start=181)
        assert (brief(state), state.since) == (("pending", "ok", 0, 0), at(181))
        assert brief(run("warning", state=state, start=196)) == ("firing", "warning", 1, 1)

    def test_at_its_edge_there_is_none(self):
        assert run("warning", state=run("warning"), start=180).state is Status.FIRING

    def test_it_can_be_given(self):
        state = step(run("warning"), verdict("warning"), now=at(3000), rule=RULE, gap_seconds=3600)
        assert state.state is Status.FIRING

    def test_a_window_that_reaches_over_it_bridges_it(self):
        found = replace(verdict("warning"), window_seconds=3600)
        assert step(run("warning"), found, now=at(3600), rule=RULE).state is Status.FIRING

    def test_firing_goes_on(self):
        state = run("warning", "warning")
        assert brief(run("warning", state=state, start=10_000)) == ("firing", "warning", 1, 1)

    def test_a_rise_is_counted_anew(self):
        state = run("warning", "warning", "critical")
        assert run("critical", state=state, start=10_000).level is Level.WARNING


class TestRepeats:
    def test_an_evaluation_that_was_taken_changes_nothing(self):
        state = run("warning")
        assert step(state, verdict("warning"), now=NOON, rule=RULE) is state

    def test_one_that_comes_late_changes_nothing(self):
        state = run("warning", "warning")
        assert step(state, verdict("ok"), now=at(1), rule=RULE) is state

    def test_a_clock_that_was_set_back_stops_nothing(self):
        state = run("warning", "warning", start=100_000)
        state = run("ok", state=state)
        assert (state.state, state.clears_at) == (Status.FIRING, at(600))
        assert run("ok", state=state, start=600).state is Status.FIRING

    def test_a_wide_window_does_not_hold_it_up_either(self):
        state = run("warning", "warning", start=2000)
        found = replace(verdict("ok"), window_seconds=3600)
        assert step(state, found, now=NOON, rule=RULE).evaluated_at == NOON


LEVELS = ["ok", "warning", "critical", "no_data"]
evaluations = st.lists(
    st.tuples(st.sampled_from(LEVELS), st.sampled_from([0, 1, 15, 60, 300, 601]), st.integers(0, 2)), max_size=60
)


def walk(steps, rule=RULE):
    """Yield every state with the one before it, the verdict and the time."""
    state, now = State(since=NOON), NOON
    for level, seconds, data in steps:
        now += timedelta(seconds=seconds)
        found = verdict(level, data=data)
        after = step(state, found, now=now, rule=rule)
        yield state, after, found, now
        state = after


@given(evaluations)
def test_the_same_evaluation_twice_changes_nothing(steps):
    for _, after, found, now in walk(steps):
        assert step(after, found, now=now, rule=RULE) == after


@given(evaluations)
def test_it_clears_only_after_it_was_held(steps):
    found_at = None
    for before, after, found, now in walk(steps):
        if found.is_bad and before != after:
            found_at = now
        if before.is_open and not after.is_open:
            assert now - found_at >= timedelta(seconds=600)
        if before.state is Status.FIRING and after.clears_at is not None:
            assert after.clears_at == found_at + timedelta(seconds=600)


@given(evaluations)
def test_no_data_fires_nothing(steps):
    for before, after, found, _ in walk(steps):
        if found.level is Level.NO_DATA:
            assert after.episode == before.episode
            assert not (after.state is Status.FIRING and before.state is not Status.FIRING)


@given(evaluations)
def test_it_fires_only_after_as_many_evaluations_with_new_data(steps):
    new = 0
    for before, after, found, _ in walk(steps):
        if before == after:
            continue
        new = new + (found.data_version != before.data_version) if found.is_bad else 0
        if after.episode > before.episode:
            assert new >= RULE.for_evaluations


@given(evaluations)
def test_every_change_of_what_there_is_to_tell_has_a_version_of_its_own(steps):
    seen = {}
    for before, after, _, _ in walk(steps):
        told = (after.state if after.is_open else Status.OK, after.level, after.changed_at)
        assert seen.setdefault((after.episode, after.version), told) == told
        assert (after.episode, after.version) >= (before.episode, before.version)


@given(evaluations)
def test_its_parts_fit_together(steps):
    for _, after, _, now in walk(steps):
        assert after.is_open or after.state is not Status.FIRING
        assert after.since <= now
        assert not (after.state in (Status.OK, Status.PENDING) and (after.clears_at or after.is_open))


@given(evaluations)
def test_the_same_evaluations_bring_the_same_state(steps):
    assert [after for _, after, _, _ in walk(steps)] == [after for _, after, _, _ in walk(steps)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_state_at_rest_changes_in_its_evaluation_alone(level):
    state = run(*[level] * 10)
    again = step(state, verdict(level, data=state.data_version), now=at(150), rule=RULE)
    at_rest = {"evaluated_at": None, "bad_at": None, "critical_at": None}
    assert replace(again, **at_rest) == replace(state, **at_rest)
