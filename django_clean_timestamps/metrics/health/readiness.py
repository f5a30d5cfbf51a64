"""Whether this process can serve; nothing that it shares with others is asked but its database."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS

from django_clean_timestamps.metrics.health.migrations import unapplied_migrations
from django_clean_timestamps.metrics.health.probing import Asker, select_one
from django_clean_timestamps.metrics.health.shutdown import is_shutting_down

__all__ = ["ASKER", "READINESS", "Readiness", "Word"]


class Word(StrEnum):
    """What ``/ready`` says."""

    READY = "ready"
    STOPPING = "stopping"
    UNREACHABLE = "unreachable"
    UNMIGRATED = "unmigrated"


class Readiness:
    """
    Says whether this process can serve.

    Args:
        asker: What asks the database.
    """

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._is_migrated = False

    def ask(self) -> Word:
        """
        Return whether the default database answers within a second and has this package's migrations.

        Once it has them that is remembered, and asked no more.
        """
        if is_shutting_down():
            return Word.STOPPING
        answer = self.asker.ask(DEFAULT_DB_ALIAS, select_one if self._is_migrated else _find_unapplied)
        if answer.error is not None:
            return Word.UNREACHABLE
        self._is_migrated = self._is_migrated or not answer.value
        return Word.READY if self._is_migrated else Word.UNMIGRATED


def _find_unapplied(connection: Any) -> tuple[str, ...]:
    return unapplied_migrations(connection)


ASKER: Final = Asker()
READINESS: Final = Readiness(ASKER)
os.register_at_fork(after_in_child=ASKER.begin)
