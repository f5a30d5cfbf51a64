"""A simulated week: few false alerts, and a real fault is told of soon. ``benchmarks.alerts`` has the whole table."""

import math

import pytest

from benchmarks.alerts import RULES, TYPICAL, delays, false_alerts_a_week


@pytest.mark.parametrize("rate", [1, 20])
def test_chance_seldom_fires_an_alert(rate):
    assert false_alerts_a_week(RULES["latency"], rate=rate, share=TYPICAL["latency"], weeks=1) <= 2


@pytest.mark.parametrize("name", TYPICAL)
@pytest.mark.parametrize(("rate", "longest"), [(1, 30), (20, 3), (200, 2)])
def test_a_total_failure_is_told_of_soon_and_so_is_its_end(name, rate, longest):
    begun, over = delays(RULES[name], rate=rate, share=1.0, seed=1)
    assert 0 < begun <= longest
    assert 10 <= over <= 75


def test_beside_it_a_plain_p95_cries_all_day():
    assert false_alerts_a_week(RULES["latency"], rate=20, share=0.035, weeks=1, is_plain=True) > 100


def test_a_fault_that_chance_could_make_is_not_told_of():
    assert delays(RULES["validation_errors"], rate=1, share=0.003, seed=1)[0] == math.inf
