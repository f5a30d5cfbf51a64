"""The rules in force, and what can be wrong with ``ALERTS``."""

import math

import pytest

from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.metrics.alerts.built_in import BUILT_IN
from django_clean_timestamps.metrics.alerts.rules import Threshold, find_rule_problems, rules_of, threshold_of
from tests.metrics.alerts.figures import rule_of


def test_without_a_setting_the_built_in_rules_are_in_force():
    assert rules_of(None) == rules_of({}) == tuple(BUILT_IN.values())
    assert {rule.name: (rule.warning, rule.critical) for rule in rules_of(None)} == {
        "latency": (5, 10),
        "validation_errors": (0.5, 1.0),
        "undelivered": (1_000, 5_000),
        "oldest_event": (120, 600),
        "dead_events": (0, 20),
        "collector_silence": (180, 600),
    }
    assert {rule.keep_firing_seconds for rule in rules_of(None)} == {600}
    assert all(rule.enabled for rule in rules_of(None))


def test_a_rule_can_be_put_in_a_set():
    assert len(set(rules_of(None))) == 6


def test_only_what_differs_is_changed():
    changed = rule_of("undelivered", critical=9_000, for_=1, keep_firing_seconds=0)
    assert (changed.warning, changed.critical) == (1_000, 9_000)
    assert (changed.for_evaluations, changed.keep_firing_seconds) == (1, 0)


@pytest.mark.parametrize("off", [None, False, {"enabled": False}])
def test_a_rule_is_switched_off(off):
    rules = {rule.name: rule.enabled for rule in rules_of({"latency": off})}
    assert rules.pop("latency") is False
    assert all(rules.values())


def test_the_own_thresholds_of_latency_are_for_single_rows():
    rule = rule_of("latency")
    assert threshold_of(rule, "touch") == Threshold(warning=5, critical=10)
    assert threshold_of(rule, "bulk_update") is None
    assert threshold_of(rule, "handler:shop.send_mail") is None


def test_other_operations_can_be_given_thresholds():
    rule = rule_of(
        "latency",
        warning=4,
        operations={"handler:shop.send_mail": {"warning": 100}, "update": {"critical": 20}, "delete": None},
    )
    assert threshold_of(rule, "handler:shop.send_mail") == Threshold(warning=100, critical=None)
    assert threshold_of(rule, "update") == Threshold(warning=4, critical=20)
    assert threshold_of(rule, "delete") is None
    assert threshold_of(rule, "create") == Threshold(warning=4, critical=10)


def test_what_can_be_given_has_no_problems():
    alerts = {
        "latency": {
            "warning": 1,
            "critical": None,
            "for": 2,
            "keep_firing_seconds": 0.5,
            "window_seconds": 3600,
            "operations": {"queryset_update": {"warning": 1, "critical": 2}, "create": None},
        },
        "validation_errors": {"warning": 99.9, "critical": 99.9, "window_seconds": 60},
        "dead_events": None,
    }
    assert find_rule_problems(alerts) == []
    assert find_rule_problems(None) == []


HERE = "CLEAN_TIMESTAMPS['ALERTS']"


@pytest.mark.parametrize(
    ("alerts", "problem"),
    [
        ([1], f"{HERE} is [1]; wanted: a dict of rules. Leave it out to have the built-in ones."),
        ({"slow": {}}, f"{HERE} has the unknown rule 'slow'. Known rules: {', '.join(BUILT_IN)}."),
        ({3: {}}, f"{HERE} has the unknown rule 3. Known rules: {', '.join(BUILT_IN)}."),
        (
            {"latency": True},
            f"{HERE}['latency'] is True; wanted: a dict of what differs, or None to switch it off.",
        ),
        (
            {"undelivered": {"window_seconds": 60}},
            (
                f"{HERE}['undelivered'] has the unknown key 'window_seconds'. "
                "Known keys: warning, critical, for, keep_firing_seconds, enabled."
            ),
        ),
        (
            {"undelivered": {"warning": -1}},
            (
                f"{HERE}['undelivered']['warning'] is -1; wanted: a number (events), 0 or more, or None for never. "
                "Leave it out for the default."
            ),
        ),
        (
            {"validation_errors": {"critical": 100}},
            (
                f"{HERE}['validation_errors']['critical'] is 100; wanted: a number (percent), 0 or more and below 100, "
                "or None for never. Leave it out for the default."
            ),
        ),
        (
            {"latency": {"critical": 3}},
            f"{HERE}['latency'] warns over 5 and is critical over 3; wanted: a warning no later than that.",
        ),
        (
            {"latency": {"operations": {"uptade": None}}},
            (
                f"{HERE}['latency']['operations'] has the unknown operation 'uptade'; wanted: one of create, delete, "
                "touch, update, bulk_create, bulk_update, queryset_delete, queryset_touch, queryset_update, write_events "
                "or handler:<name>."
            ),
        ),
        (
            {"latency": {"operations": {"bulk_update": 5}}},
            (
                f"{HERE}['latency']['operations']['bulk_update'] is 5; wanted: a dict with warning and critical, "
                "or None for no threshold."
            ),
        ),
        (
            {"latency": {"operations": {"bulk_update": {"warn": 5}}}},
            (
                f"{HERE}['latency']['operations']['bulk_update'] has the unknown key 'warn'. "
                "Known keys: warning, critical."
            ),
        ),
        (
            {"latency": {"operations": {"bulk_update": {"warning": "5"}}}},
            (
                f"{HERE}['latency']['operations']['bulk_update']['warning'] is '5'; wanted: a number (ms), 0 or more, "
                "or None for never."
            ),
        ),
        (
            {"latency": {"operations": {"update": {"warning": 20}}}},
            (
                f"{HERE}['latency']['operations']['update'] warns over 20 and is critical over 10; "
                "wanted: a warning no later than that."
            ),
        ),
    ],
)
def test_what_is_wrong_is_said(alerts, problem):
    assert find_rule_problems(alerts) == [problem]
    with pytest.raises(InvalidSettingError) as caught:
        rules_of(alerts)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("for", value) for value in (0, 1.5, True, None)),
        *(("keep_firing_seconds", value) for value in (-1, math.inf, math.nan, "600", True)),
        *(("window_seconds", value) for value in (0, 90, 7200, 60.0)),
        *(("warning", value) for value in (math.inf, math.nan, "5", True)),
        *(("enabled", value) for value in (1, None)),
        ("operations", []),
    ],
)
def test_a_value_of_another_kind_is_refused(key, value):
    [problem] = find_rule_problems({"latency": {key: value}})
    assert problem.startswith(f"{HERE}['latency'][{key!r}] is {value!r}; wanted: ")


@pytest.mark.parametrize("name", ["handler:", 5])
def test_a_handler_needs_a_name(name):
    assert len(find_rule_problems({"latency": {"operations": {name: None}}})) == 1


def test_all_problems_are_found_at_once():
    alerts = {"slow": {}, "latency": {"warning": "5", "for": 0}, "undelivered": 3}
    assert len(find_rule_problems(alerts)) == 4
