"""Hearing nothing of an alert until a time."""

from datetime import timedelta

import pytest

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.models import AlertState
from django_clean_timestamps.metrics.alerts.silencing import InvalidSilence, silence, unsilence
from tests.metrics.alerts.tables import LATENCY, NOON, House, moment, roll_up

pytestmark = pytest.mark.django_db

UNDELIVERED = ("undelivered", "all")


def soon(seconds=3_600):
    return database_now("default") + timedelta(seconds=seconds)


@pytest.fixture
def house(db):
    """A house whose time is the database's, which silences end by."""
    return House(now=int(database_now("default").timestamp()))


def test_while_it_is_silenced_nothing_is_told_and_it_goes_on(house, hearing):
    silence(*UNDELIVERED, soon(), "ann")
    house.passes(6, waiting=2_000)
    row = AlertState.objects.get()
    assert (row.state, row.silenced_by, hearing.heard) == ("firing", "ann", [])


def test_what_was_told_is_taken_back_and_told_again_at_its_end(house, hearing):
    house.passes(4, waiting=2_000)
    silence(*UNDELIVERED, soon(600), "ann")
    house.passes(2, waiting=2_000)
    assert hearing.keys == ["undelivered/all/1.1.1/firing", "undelivered/all/1.1.2/silenced"]
    house.passes(1, seconds=900, waiting=2_000)
    assert hearing.keys[2:] == ["undelivered/all/1.1.3/firing"]
    assert hearing.heard[2].changed_at == hearing.heard[0].changed_at


def test_what_ends_in_silence_is_not_told(house, hearing):
    silence(*UNDELIVERED, soon(86_400), "ann")
    house.passes(4, waiting=2_000)
    house.passes(45, waiting=0)
    assert AlertState.objects.get().state == "ok"
    assert hearing.heard == []


def test_it_can_be_ended_at_once(house, hearing):
    silence(*UNDELIVERED, soon(), "ann")
    house.passes(4, waiting=2_000)
    assert unsilence(*UNDELIVERED)
    assert not unsilence(*UNDELIVERED)
    house.passes(1, waiting=2_000)
    assert hearing.keys == ["undelivered/all/1.1.1/firing"]


def test_another_one_replaces_it():
    silence(*UNDELIVERED, soon(), "ann")
    until = soon(60)
    silence(*UNDELIVERED, until, "b" * 200, using="default")
    row = AlertState.objects.get()
    assert (row.silenced_until, row.silenced_by) == (until, "b" * 150)


def test_an_operation_or_model_can_be_silenced_before_it_is_in_trouble():
    roll_up(NOON, fast=1)
    silence(*LATENCY, soon(), "ann")
    silence("validation_errors", "shop.order", soon(), "ann")
    assert set(AlertState.objects.values_list("rule", "state", "episode")) == {
        ("latency", "ok", 0),
        ("validation_errors", "ok", 0),
    }


@pytest.mark.parametrize(
    ("rule", "subject", "message"),
    [
        ("<b>", "all", "There is no such rule; there are latency, validation_errors, undelivered"),
        ("undelivered", "<b>", "has no such subject; it is all"),
        ("latency", "shop.order/<b>/default", "has no such subject; none has figures"),
        ("validation_errors", "<b>", "has no such subject; none has figures"),
    ],
)
def test_what_there_is_not_cannot_be_silenced(rule, subject, message):
    roll_up(NOON, fast=1)
    with pytest.raises(InvalidSilence, match=message) as caught:
        silence(rule, subject, soon(), "ann")
    assert "<b>" not in str(caught.value)
    assert not AlertState.objects.exists()


@pytest.mark.parametrize("seconds", [-1, 0, 367 * 86_400])
def test_its_end_lies_within_a_year(seconds):
    with pytest.raises(InvalidSilence, match="between now and a year later; now is 2"):
        silence(*UNDELIVERED, soon(seconds), "ann")


@pytest.mark.parametrize("until", [moment(NOON).replace(tzinfo=None), "tomorrow"])
def test_its_end_is_an_aware_time(until):
    with pytest.raises(InvalidSilence, match="aware time"):
        silence(*UNDELIVERED, until, "ann")


def test_it_holds_through_an_evaluation_that_runs_meanwhile(house, hearing, monkeypatch):
    house.passes(3, waiting=2_000)
    judge = house.evaluator._figures.judge

    def meanwhile(*args):
        silence(*UNDELIVERED, soon(), "ann")
        return judge(*args)

    monkeypatch.setattr(house.evaluator._figures, "judge", meanwhile)
    house.passes(1, waiting=2_000)
    row = AlertState.objects.get()
    assert (row.state, row.silenced_by) == ("firing", "ann")
