"""What is wrong with ``CLEAN_TIMESTAMPS["ALERTS"]``, in sentences for a system check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django_clean_timestamps.conf import SETTING_NAME
from django_clean_timestamps.metrics.alerts.built_in import BUILT_IN, HOUR_SECONDS, Kind, Rule
from django_clean_timestamps.metrics.series import (
    BULK_OPERATIONS,
    HANDLER_PREFIX,
    SINGLE_ROW_OPERATIONS,
    WRITE_EVENTS,
)

__all__ = ["find_rule_problems"]

WHERE: Final = f"{SETTING_NAME}['ALERTS']"
LEVELS: Final = ("warning", "critical")
OPERATIONS: Final = (*sorted(SINGLE_ROW_OPERATIONS), *sorted(BULK_OPERATIONS), WRITE_EVENTS)


def find_rule_problems(alerts: object) -> list[str]:
    """Return what is wrong with the raw value of ``ALERTS``, a sentence each; an empty list when nothing is."""
    if alerts is None:
        return []
    if not isinstance(alerts, Mapping):
        return [f"{WHERE} is {alerts!r}; wanted: a dict of rules. Leave it out to have the built-in ones."]
    return [problem for name, given in alerts.items() for problem in _of_rule(name, given)]


def _of_rule(name: object, given: object) -> Iterator[str]:
    where = f"{WHERE}[{name!r}]"
    rule = BUILT_IN.get(name) if isinstance(name, str) else None
    if rule is None:
        yield f"{WHERE} has the unknown rule {name!r}. Known rules: {', '.join(BUILT_IN)}."
    elif isinstance(given, Mapping):
        yield from _of_keys(where, rule, given)
    elif given is not None and given is not False:
        yield f"{where} is {given!r}; wanted: a dict of what differs, or None to switch it off."


def _of_keys(where: str, rule: Rule, given: Mapping[Any, object]) -> Iterator[str]:
    validators = _validators(rule)
    problems = []
    for key, value in given.items():
        validate = validators.get(key)
        if validate is None:
            problems.append(f"{where} has the unknown key {key!r}. Known keys: {', '.join(validators)}.")
        elif wanted := validate(value):
            problems.append(f"{where}[{key!r}] is {value!r}; wanted: {wanted}. Leave it out for the default.")
    if not problems:
        problems += _of_order(where, given, rule)
        problems += [
            problem
            # Its validator has seen that it is one.
            for name, value in given.get("operations", {}).items()  # type: ignore[attr-defined]
            for problem in _of_operation(where, rule, given, name, value)
        ]
    yield from problems


def _of_operation(where: str, rule: Rule, given: Mapping[Any, Any], name: object, value: object) -> Iterator[str]:
    if not _is_operation(name):
        yield (
            f"{where}['operations'] has the unknown operation {name!r}; wanted: one of {', '.join(OPERATIONS)} or "
            f"{HANDLER_PREFIX}<name>."
        )
        return
    where = f"{where}['operations'][{name!r}]"
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield f"{where} is {value!r}; wanted: a dict with warning and critical, or None for no threshold."
        return
    validate = _threshold(rule)
    problems = []
    for key, figure in value.items():
        if key not in LEVELS:
            problems.append(f"{where} has the unknown key {key!r}. Known keys: {', '.join(LEVELS)}.")
        elif wanted := validate(figure):
            problems.append(f"{where}[{key!r}] is {figure!r}; wanted: {wanted}.")
    own = {level: given.get(level, getattr(rule, level)) for level in LEVELS if name in SINGLE_ROW_OPERATIONS}
    yield from problems or _of_order(where, {**own, **value})


def _of_order(where: str, given: Mapping[Any, Any], rule: Rule | None = None) -> Iterator[str]:
    warning, critical = (given.get(level, getattr(rule, level, None)) for level in LEVELS)
    if warning is not None and critical is not None and warning > critical:
        yield f"{where} warns over {warning} and is critical over {critical}; wanted: a warning no later than that."


def _is_operation(name: object) -> bool:
    if not isinstance(name, str):
        return False
    return name in OPERATIONS or (name.startswith(HANDLER_PREFIX) and name != HANDLER_PREFIX)


# Each validator answers "" when the value will do, else what was wanted in words.
Validator = Callable[[object], str]


def _validators(rule: Rule) -> dict[str, Validator]:
    threshold = _threshold(rule)
    known: dict[str, Validator] = {
        "warning": threshold,
        "critical": threshold,
        "for": lambda value: "" if _is_whole(value, 1, math.inf) else "a whole number of evaluations above 0",
        "keep_firing_seconds": lambda value: "" if _is_number(value) else "a number of seconds, 0 or more",
        "enabled": lambda value: "" if isinstance(value, bool) else "True or False",
    }
    if rule.kind is not Kind.GAUGE:
        known["window_seconds"] = _window
    if rule.kind is Kind.SHARE:
        known["operations"] = lambda value: "" if isinstance(value, Mapping) else "a dict of thresholds by operation"
    return known


def _threshold(rule: Rule) -> Validator:
    highest = 100 if rule.kind is Kind.RATE else math.inf
    limits = ", 0 or more and below 100," if rule.kind is Kind.RATE else ", 0 or more,"
    wanted = f"a number ({rule.unit}){limits} or None for never"
    return lambda value: "" if value is None or _is_number(value, highest) else wanted


def _window(value: object) -> str:
    is_minutes = _is_whole(value, 60, HOUR_SECONDS) and value % 60 == 0  # type: ignore[operator]
    return "" if is_minutes else f"a multiple of 60 seconds, at most {HOUR_SECONDS}"


def _is_number(value: object, below: float = math.inf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below


def _is_whole(value: object, least: float, most: float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
