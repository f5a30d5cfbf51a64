"""The settings: one dict, ``CLEAN_TIMESTAMPS``, becomes one frozen :class:`Settings`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from django_clean_timestamps.exceptions import InvalidSettingError

__all__ = ["SETTING_NAME", "Settings", "find_problems", "get_settings"]

SETTING_NAME: Final = "CLEAN_TIMESTAMPS"

BUILT_IN_RULES: Final = (
    "django_clean_timestamps.events.validation.AWARE",
    "django_clean_timestamps.events.validation.NOT_IN_FUTURE",
    "django_clean_timestamps.events.validation.CREATED_FIRST",
    "django_clean_timestamps.events.validation.TEXT_FITS",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """
    What the project wants, each key with a default that serves.

    The field names are the keys of ``CLEAN_TIMESTAMPS`` in lower case. Keys whose part of the package is not
    installed yet are accepted and have no effect.
    """

    clock: str = "django_clean_timestamps.clocks.system_clock"
    max_future_seconds: float = 60
    created_at_policy: str = "raise"
    rules: tuple[str, ...] = BUILT_IN_RULES
    events: bool = True
    batch_size: int = 500
    lease_seconds: float = 30
    max_attempts: int = 10
    crash_limit: int = 3
    backoff_seconds: tuple[float, float] = (1, 3600)
    sweep_seconds: float = 5
    doorbell: bool = True
    queue: str | None = None
    retention_days: float = 30
    max_undelivered: int | None = None
    compiled_writes: bool = True
    metrics: bool = True
    metrics_database: str = "default"
    api_tokens: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    feed_tokens: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    alerts: Mapping[str, Any] | None = None
    alert_mail_to: tuple[str, ...] = ()

    @cached_property
    def read_clock(self) -> Callable[[], datetime]:
        """The callable that ``CLOCK`` names."""
        return _import_callable("CLOCK", self.clock)

    @cached_property
    def rule_objects(self) -> tuple[Any, ...]:
        """The rules that ``RULES`` names, in order."""
        return tuple(_import_rule(path) for path in self.rules)


KEYS: Final = {field.name.upper(): field for field in dataclasses.fields(Settings)}

_DEFAULTS: Final = Settings()
_current: tuple[object, Settings] = (None, _DEFAULTS)
_without: object = None
"""The project's settings where they have no ``CLEAN_TIMESTAMPS``: asking them in vain costs as much as an event."""


def get_settings() -> Settings:
    """
    Return the settings in force, read again whenever ``CLEAN_TIMESTAMPS`` is another object.

    So ``override_settings`` and pytest-django's ``settings`` work; changing the dict in place does not.

    Raises:
        InvalidSettingError: A key is unknown or its value unusable. System checks name all of them at once.
    """
    global _current, _without
    project: Any = object.__getattribute__(django_settings, "_wrapped")
    if project is _without and SETTING_NAME not in project.__dict__:
        return _DEFAULTS
    raw = getattr(django_settings, SETTING_NAME, None)
    _without = object.__getattribute__(django_settings, "_wrapped") if raw is None else None
    known, parsed = _current
    if raw is known:
        return parsed
    problems = find_problems(raw)
    if problems:
        raise InvalidSettingError(problems[0].message)
    parsed = Settings(**{key.lower(): _as_stored(value) for key, value in raw.items()}) if raw else _DEFAULTS
    _current = (raw, parsed)
    return parsed


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with ``CLEAN_TIMESTAMPS``."""

    key: str
    message: str
    hint: str


def find_problems(raw: object) -> list[Problem]:
    """Return what is wrong with the raw value of ``CLEAN_TIMESTAMPS``; an empty list when nothing is."""
    if raw is None:
        return []
    if not isinstance(raw, Mapping):
        # Its type only: it may hold tokens.
        found = f"{SETTING_NAME} is of type {type(raw).__name__}; a dict is wanted"
        return [Problem(key=SETTING_NAME, message=found, hint=f"Write {SETTING_NAME} = {{...}} in the settings.")]
    problems = []
    for key, value in raw.items():
        if key not in KEYS:
            known = ", ".join(KEYS)
            message = f"{SETTING_NAME} has the unknown key {key!r}"
            problems.append(Problem(key=str(key), message=message, hint=f"Known keys: {known}."))
        elif wanted := _VALIDATORS[key](value):
            message = f"{SETTING_NAME}[{key!r}] is {_shown(key, value)}; wanted: {wanted}"
            problems.append(Problem(key=key, message=message, hint=f"Give it {wanted}, or leave it out."))
    return problems


def _shown(key: str, value: object) -> str:
    return "not shown" if key.endswith("TOKENS") else repr(value)


def _as_stored(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _import(key: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise InvalidSettingError(f"{SETTING_NAME}[{key!r}]: cannot import {path!r} ({error})") from error


def _import_callable(key: str, path: str) -> Callable[[], datetime]:
    found = _import(key, path)
    if not callable(found):
        raise InvalidSettingError(f"{SETTING_NAME}[{key!r}]: {path!r} is {found!r}; a callable is wanted")
    return found  # type: ignore[no-any-return]


def _import_rule(path: str) -> Any:
    found = _import("RULES", path)
    if not callable(getattr(found, "check", None)):
        raise InvalidSettingError(f"{SETTING_NAME}['RULES']: {path!r} is {found!r}; a Rule is wanted")
    return found


# Each validator answers "" when the value will do, else what was wanted in words.
Validator = Callable[[object], str]


def _text(wanted: str) -> Validator:
    return lambda value: "" if isinstance(value, str) and value else wanted


def _mapping(wanted: str) -> Validator:
    return lambda value: "" if isinstance(value, Mapping) else wanted


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else "True or False"


def _number(minimum: float, wanted: str, *, whole: bool = False) -> Validator:
    kinds: tuple[type, ...] = (int,) if whole else (int, float)

    def validate(value: object) -> str:
        return "" if _is_number(value, kinds) and minimum <= value < math.inf else wanted  # type: ignore[operator]

    return validate


def _is_number(value: object, kinds: tuple[type, ...] = (int, float)) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _optional(validator: Validator) -> Validator:
    return lambda value: "" if value is None else (f"{wanted} or None" if (wanted := validator(value)) else "")


def _texts(wanted: str) -> Validator:
    def validate(value: object) -> str:
        is_sequence = isinstance(value, list | tuple)
        return "" if is_sequence and all(isinstance(item, str) and item for item in value) else wanted  # type: ignore[attr-defined]

    return validate


def _choice(*choices: str) -> Validator:
    return lambda value: "" if value in choices else "one of " + ", ".join(map(repr, choices))


def _backoff(value: object) -> str:
    wanted = "two numbers of seconds, the first wait and the longest, 0 < first <= longest"
    match value:
        case (int() | float() as first, int() | float() as longest) if 0 < first <= longest < math.inf:
            return "" if _is_number(first) and _is_number(longest) else wanted
    return wanted


_SECONDS = "a number of seconds above 0"
_VALIDATORS: Final[dict[str, Validator]] = {
    "CLOCK": _text("the dotted path of a callable that returns an aware datetime"),
    "MAX_FUTURE_SECONDS": _number(0, "a number of seconds, 0 or more"),
    "CREATED_AT_POLICY": _choice("raise", "warn", "ignore"),
    "RULES": _texts("a list of dotted paths"),
    "EVENTS": _flag,
    "BATCH_SIZE": _number(1, "a whole number above 0", whole=True),
    "LEASE_SECONDS": _number(0.001, _SECONDS),
    "MAX_ATTEMPTS": _number(1, "a whole number above 0", whole=True),
    "CRASH_LIMIT": _number(1, "a whole number above 0", whole=True),
    "BACKOFF_SECONDS": _backoff,
    "SWEEP_SECONDS": _number(0.001, _SECONDS),
    "DOORBELL": _flag,
    "QUEUE": _optional(_text("the name of a queue")),
    "RETENTION_DAYS": _number(0.001, "a number of days above 0"),
    "MAX_UNDELIVERED": _optional(_number(1, "a whole number above 0", whole=True)),
    "COMPILED_WRITES": _flag,
    "METRICS": _flag,
    "METRICS_DATABASE": _text("the alias of a database"),
    "API_TOKENS": _texts("a list of tokens, none of them empty"),
    "FEED_TOKENS": _texts("a list of tokens, none of them empty"),
    "ALERTS": _optional(_mapping("a dict of rules")),
    "ALERT_MAIL_TO": _texts("a list of addresses"),
}
