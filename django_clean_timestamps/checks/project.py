"""What is wrong with the project's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from django_clean_timestamps.checks.entities import entities
from django_clean_timestamps.checks.names import NAMED
from django_clean_timestamps.conf import SETTING_NAME, find_problems, get_settings
from django_clean_timestamps.exceptions import InvalidSettingError

__all__ = ["check_databases", "check_settings"]


def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report unknown and unusable keys (E001) and dotted paths that lead nowhere (E002)."""
    problems = find_problems(getattr(settings, SETTING_NAME, None))
    found: list[CheckMessage] = [
        checks.Error(f"{problem.message}.", hint=problem.hint, id=NAMED.format("E001")) for problem in problems
    ]
    if not found:
        for attribute, key in (("read_clock", "CLOCK"), ("rule_objects", "RULES")):
            try:
                getattr(get_settings(), attribute)
            except InvalidSettingError as error:
                hint = f"Correct the dotted path in {SETTING_NAME}[{key!r}], or leave the key out."
                found.append(checks.Error(f"{error}.", hint=hint, id=NAMED.format("E002")))
    return found


def check_databases(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report what the project's time zone and database settings do to stamps (W003, I001)."""
    if not any(True for _ in entities(None)):
        return []
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        found.append(
            checks.Warning(
                "USE_TZ is False: stamps are stored as naive UTC and given to you as aware UTC.",
                hint="Set USE_TZ = True. Until then compare stamps with aware times only, and on PostgreSQL set "
                'TIME_ZONE = "UTC": the hours around a change of daylight saving time are stored wrongly otherwise.',
                id=NAMED.format("W003"),
            )
        )
    databases: dict[str, dict[str, Any]] = settings.DATABASES
    for alias, database in databases.items():
        mode = str(database.get("OPTIONS", {}).get("transaction_mode") or "")
        if database.get("ENGINE") == "django.db.backends.sqlite3" and mode.upper() not in ("IMMEDIATE", "EXCLUSIVE"):
            found.append(
                checks.Info(
                    f"The SQLite database {alias!r} begins transactions without the write lock, so inside an atomic "
                    "block a stamp can be older than one that is already visible.",
                    hint=f'Set DATABASES[{alias!r}]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
                    id=NAMED.format("I001"),
                )
            )
    return found
