"""What sinks are owed."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.metrics.alerts.judging import Level
from django_clean_timestamps.metrics.alerts.notices import Told, owed
from django_clean_timestamps.metrics.alerts.states import State, Status, step
from tests.metrics.alerts.figures import NOON, at, rule_of, verdict

FIRING = State(state=Status.FIRING, level=Level.WARNING, since=NOON, episode=1, version=1, changed_at=NOON)
CLEARED = replace(FIRING, state=Status.OK, level=Level.OK, version=2)
TOLD = Told(state=Status.FIRING, episode=1, version=1, number=1)


def notice(state, told=None, silenced_until=None, now=NOON):
    return owed(state, told, rule="undelivered", subject="all", silenced_until=silenced_until, now=now)


def test_what_never_fired_is_no_news():
    assert notice(State(since=NOON)) is None
    assert notice(State(since=NOON, state=Status.PENDING)) is None
    assert notice(State(since=NOON, state=Status.NO_DATA)) is None


def test_firing_is_told_once():
    found = notice(FIRING)
    assert (found.key, found.level, found.changed_at) == ("undelivered/all/1.1.1/firing", "warning", NOON)
    assert found.told == TOLD
    assert notice(FIRING, TOLD) is None


def test_another_level_is_told():
    found = notice(replace(FIRING, level=Level.CRITICAL, version=2), TOLD)
    assert (found.key, found.level) == ("undelivered/all/1.2.2/firing", "critical")


def test_its_end_is_told():
    found = notice(CLEARED, TOLD)
    assert (found.key, found.level, found.is_silenced) == ("undelivered/all/1.2.2/ok", "ok", False)
    assert notice(CLEARED, found.told) is None


def test_what_was_over_before_anybody_was_told_is_no_news():
    assert notice(CLEARED) is None


def test_the_end_of_its_data_is_told():
    found = notice(replace(FIRING, state=Status.NO_DATA, version=2), TOLD)
    assert (found.key, found.level) == ("undelivered/all/1.2.2/no_data", "warning")


def test_a_sink_that_missed_the_end_is_told_of_the_next_episode():
    assert notice(replace(FIRING, episode=2), TOLD).key == "undelivered/all/2.1.2/firing"


def test_while_silenced_nothing_begins():
    assert notice(FIRING, silenced_until=at(60)) is None


def test_a_silence_takes_back_what_was_told():
    found = notice(FIRING, TOLD, silenced_until=at(60))
    assert (found.key, found.state, found.is_silenced) == ("undelivered/all/1.1.2/silenced", "ok", True)
    assert notice(FIRING, found.told, silenced_until=at(60)) is None


def test_a_silence_that_ends_while_it_fires_tells():
    silenced = notice(FIRING, TOLD, silenced_until=at(60)).told
    found = notice(FIRING, silenced, silenced_until=at(60), now=at(60))
    assert found.key == "undelivered/all/1.1.3/firing"
    assert notice(FIRING, found.told, silenced_until=at(60), now=at(60)) is None


def test_what_ends_in_silence_is_not_told_again():
    silenced = notice(FIRING, TOLD, silenced_until=at(60)).told
    assert notice(CLEARED, silenced, silenced_until=at(60), now=at(90)) is None


RULE = rule_of("undelivered", for_=1, keep_firing_seconds=30)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ok", "warning", "critical", "no_data"]),
            st.sampled_from([15, 31, 600]),
            st.sampled_from([None, 20, 100]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_one_key_never_stands_for_two_notices(steps):
    """However sinks fail and silences come and go; and what arrived twice under one key was a repeat."""
    state = told = silenced_until = None
    now, seen, arrived = NOON, {}, []
    for level, seconds, silence, works in steps:
        now += timedelta(seconds=seconds)
        if silence is not None:
            silenced_until = now + timedelta(seconds=silence)
        state = step(state, verdict(level), now=now, rule=RULE)
        found = notice(state, told, silenced_until, now)
        if found is None:
            continue
        assert seen.setdefault(found.key, found) == found
        if works:
            told = found.told
            arrived.append(found.key)
            assert notice(state, told, silenced_until, now) is None
    assert len(arrived) == len(set(arrived))
