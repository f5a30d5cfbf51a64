"""By which thresholds operations are counted while they are recorded."""

import pytest

from django_clean_timestamps.metrics.limits import limits_of, rules_in_force


def series(operation):
    return ("shop.order", operation, "ok", "default")


@pytest.mark.parametrize("operation", ["create", "update", "touch", "delete"])
def test_single_row_operations_have_those_of_the_latency_rule(operation):
    assert limits_of(series(operation)) == (0.005, 0.010)


@pytest.mark.parametrize("operation", ["bulk_create", "write_events", "handler:shop.mail"])
def test_others_have_none(operation):
    assert limits_of(series(operation)) == (None, None)


def test_unless_they_are_given(settings):
    settings.CLEAN_TIMESTAMPS = {
        "ALERTS": {"latency": {"warning": 2, "operations": {"handler:shop.mail": {"critical": 1_500}}}}
    }
    assert limits_of(series("update")) == (0.002, 0.010)
    assert limits_of(series("handler:shop.mail")) == (None, 1.5)


def test_the_rules_are_read_again_when_the_settings_change(settings):
    before = rules_in_force()
    assert rules_in_force() is before
    settings.CLEAN_TIMESTAMPS = {"ALERTS": {"dead_events": False}}
    assert [rule.name for rule in rules_in_force() if not rule.enabled] == ["dead_events"]
