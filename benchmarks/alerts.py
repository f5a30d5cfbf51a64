"""
Alerts over simulated weeks: how often chance fires one, and how long a real fault and its end take to be told.

``python -m benchmarks.alerts`` runs these alone, without a database. Operations come at random at an even rate, each
slow or failing by itself with the same chance; evaluated every 15 seconds by the package's own judgement and states,
beside what a p95 (or a rate) over the last five minutes says without either. Real faults come in clusters, so that a
real week has more alerts than these.
"""

import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks.measuring import OURS, Benchmark, Plan, Result
from django_clean_timestamps.metrics.alerts.judging import Minute, judge_minutes
from django_clean_timestamps.metrics.alerts.rules import Kind, Rule, rules_of
from django_clean_timestamps.metrics.alerts.states import State, Status, step

RATES = (1, 3, 20, 200, 2_000)
"""Operations a minute."""

TYPICAL = {"latency": 0.035, "validation_errors": 0.003}
JUST_UNDER = {"latency": 0.045, "validation_errors": 0.0045}
"""Shares of bad operations under the limits of 0.05 and 0.005."""

JUMP, FAILURE = 0.2, 1.0
WEEKS, JUMPS = 4, 15
QUIET_MINUTES, FAULT_MINUTES, AFTER_MINUTES = 70, 120, 150
EVALUATED_EVERY = timedelta(seconds=15)
PER_MINUTE = 4
SECOND = timedelta(seconds=1)
PLAIN = "plain"
TARGET = 2
"""False alerts a week at most, at a share as it typically is."""

START = datetime(2026, 1, 5, tzinfo=UTC)
RULES = {rule.name: rule for rule in rules_of(None)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Minutes from the start between which a share of the operations is bad."""

    share: float
    begins: int = QUIET_MINUTES
    ends: int = QUIET_MINUTES + FAULT_MINUTES


def firings(
    rule: Rule,
    *,
    rate: float,
    share: float,
    minutes: int,
    seed: int,
    is_plain: bool = False,
    fault: Fault | None = None,
) -> Iterator[tuple[float, bool]]:
    """Yield when, in minutes from the start, an alert begins (True) and ends (False)."""
    fires = False
    state: State | None = None
    for now, counted, has_news in _traffic(rate=rate, share=share, minutes=minutes, seed=seed, fault=fault):
        if is_plain:
            fires_now = _is_over(rule, counted, now)
        elif not has_news:
            # The same counts: only what the clock alone brings could change, and the next evaluation sees that too.
            continue
        else:
            state = step(state, judge_minutes(rule, counted, now=now), now=now, rule=rule)
            fires_now = state.state is Status.FIRING
        if fires_now is not fires:
            fires = fires_now
            yield (now - START) / timedelta(minutes=1), fires


def false_alerts_a_week(rule: Rule, *, rate: float, share: float, weeks: int, is_plain: bool = False) -> float:
    """Return how many alerts begin in a week in which nothing is over a limit."""
    found = firings(rule, rate=rate, share=share, minutes=weeks * 7 * 24 * 60, seed=1, is_plain=is_plain)
    return sum(begins for _, begins in found) / weeks


def delays(rule: Rule, *, rate: float, share: float, seed: int, is_plain: bool = False) -> tuple[float, float]:
    """Return how many minutes after a fault began and ended it is told; infinite where it is not."""
    fault = Fault(share=share)
    typical = TYPICAL[rule.name]
    minutes = fault.ends + AFTER_MINUTES
    found = list(firings(rule, rate=rate, share=typical, minutes=minutes, seed=seed, is_plain=is_plain, fault=fault))
    begun = _first(found, wanted=True, since=fault.begins)
    return begun, _first(found, wanted=False, since=fault.ends)


def _first(found: Sequence[tuple[float, bool]], *, wanted: bool, since: int) -> float:
    """Return how many minutes after a time it first fires, or does not; 0 where it is so by then."""
    before = [fires for at, fires in found if at < since]
    if (before[-1] if before else False) is wanted:
        return 0
    return next((at - since for at, fires in found if at >= since and fires is wanted), math.inf)


def _traffic(
    *, rate: float, share: float, minutes: int, seed: int, fault: Fault | None
) -> Iterator[tuple[datetime, Sequence[Minute], bool]]:
    """Yield, every evaluation, the time, the counts of the last hour, and whether they may mean something else."""
    rng = random.Random(seed)
    counted: list[Minute] = []
    for number in range(minutes):
        start = START + timedelta(minutes=number)
        present = fault.share if fault and fault.begins <= number < fault.ends else share
        # A jump is a warning; a total failure is critical.
        is_critical = present == FAILURE
        bad = total = 0
        counted.append(Minute(start=start, bad_warning=0, bad_critical=0, total=0))
        del counted[:-60]
        for turn in range(PER_MINUTE):
            worse = _poisson(rng, rate / PER_MINUTE * present)
            more = worse + _poisson(rng, rate / PER_MINUTE * (1 - present))
            bad, total = bad + worse, total + more
            critical = bad if is_critical else 0
            counted[-1] = Minute(start=start, bad_warning=bad, bad_critical=critical, total=total)
            yield start + EVALUATED_EVERY * (turn + 1) - SECOND, counted, more > 0 or turn == PER_MINUTE - 1


def _poisson(rng: random.Random, mean: float) -> int:
    """
    Return how many came where so many are expected.

    Source:
        D. E. Knuth, "The Art of Computer Programming", volume 2, 3.4.1; past 40 the normal distribution is near enough.
    """
    if mean > 40:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    least, product, count = math.exp(-mean), rng.random(), 0
    while product > least:
        product *= rng.random()
        count += 1
    return count


def _is_over(rule: Rule, counted: Sequence[Minute], now: datetime) -> bool:
    """Say whether the share of the last five minutes is over the limit: of durations, whether their p95 is."""
    recent = [counted[-back] for back in range(1, min(5, len(counted)) + 1)]
    total = sum(minute.total for minute in recent)
    limit = rule.share if rule.kind is Kind.SHARE else (rule.warning or 0) / 100
    return total > 0 and sum(minute.bad_warning for minute in recent) / total > limit


def false_alerts(rule: Rule, rate: int, share: float, target: float | None, plan: Plan) -> Result:
    """Measure how many alerts a week chance makes."""
    weeks = max(WEEKS // plan.divisor, 1)
    samples = {
        side: [false_alerts_a_week(rule, rate=rate, share=share, weeks=weeks, is_plain=side == PLAIN)]
        for side in (PLAIN, OURS)
    }
    return Result(rows=rate, unit="a_week", samples=samples, baseline=None, target=target)


def minutes_until(rule: Rule, rate: int, share: float, told: int, plan: Plan) -> Result:
    """Measure how long it takes to be told of faults (0) or of their ends (1)."""
    jumps = max(JUMPS // plan.divisor, 1)
    samples = {
        side: [delays(rule, rate=rate, share=share, seed=seed, is_plain=side == PLAIN)[told] for seed in range(jumps)]
        for side in (PLAIN, OURS)
    }
    return Result(rows=rate, unit="minutes", samples=samples, baseline=None)


def benchmarks() -> list[Benchmark]:
    return [each for rule in RULES.values() if rule.kind is not Kind.GAUGE for each in _of_rule(rule)]


def _of_rule(rule: Rule) -> Iterator[Benchmark]:
    measures = {
        f"{rule.name}: false alerts a week, {TYPICAL[rule.name]:.1%} bad": partial(
            false_alerts, share=TYPICAL[rule.name], target=TARGET
        ),
        f"{rule.name}: false alerts a week, {JUST_UNDER[rule.name]:.2%} bad": partial(
            false_alerts, share=JUST_UNDER[rule.name], target=None
        ),
        f"{rule.name}: minutes to a jump to 20 %": partial(minutes_until, share=JUMP, told=0),
        f"{rule.name}: minutes to a total failure": partial(minutes_until, share=FAILURE, told=0),
        f"{rule.name}: minutes to the all-clear after it": partial(minutes_until, share=FAILURE, told=1),
    }
    for name, measure in measures.items():
        for rate in RATES:
            run = partial(measure, rule, rate)
            yield Benchmark(group="alerts", name=name, measure=lambda plan, run=run: run(plan=plan))  # type: ignore[misc]


def main() -> None:
    """Print the table, with one line for each rate."""
    plan = Plan(rounds=1, divisor=WEEKS if "--quick" in sys.argv[1:] else 1)
    width = max(len(each.name) for each in benchmarks())
    print(f"{'':<{width}}  a minute  {PLAIN:>7}  {OURS:>7}  lowest to highest")
    for each in benchmarks():
        result = each.measure(plan)
        ours = result.samples[OURS]
        spread = f"{min(ours):.1f}–{max(ours):.1f}" if len(ours) > 1 else ""
        plain, median = result.medians[PLAIN], result.medians[OURS]
        print(f"{each.name:<{width}}  {result.rows:>8}  {plain:>7.1f}  {median:>7.1f}  {spread}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
