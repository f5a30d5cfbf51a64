"""``manage.py timestamps_resume``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_clean_timestamps.delivery.operations import resume
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.management.handler_command import HandlerCommand
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Command(HandlerCommand):
    help = "Let a handler that was paused be called again, and one that backs off at once."
    keys = ("resumed",)
    makes_due = True

    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        return {"resumed": resume(handler, place)}, ExitCode.WELL

    def describe_done(self, row: Row) -> str:
        return f"{count_of(row['resumed'], 'shard')} resumed" if row["resumed"] else "was active already"
