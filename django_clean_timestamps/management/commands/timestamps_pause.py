"""``manage.py timestamps_pause``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_clean_timestamps.delivery.operations import pause
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.management.handler_command import HandlerCommand
from django_clean_timestamps.management.log_command import ExitCode, Result, Row
from django_clean_timestamps.management.words import count_of

__all__ = ["Command"]


class Command(HandlerCommand):
    help = (
        "Keep a handler from being called until timestamps_resume. A batch that is under way comes to its end; nothing "
        "is lost meanwhile, and nothing that it still needs is pruned."
    )
    keys = ("paused",)

    def operate(self, handler: str, place: Place, options: Mapping[str, Any]) -> Result:
        return {"paused": pause(handler, place)}, ExitCode.WELL

    def describe_done(self, row: Row) -> str:
        return f"{count_of(row['paused'], 'shard')} paused" if row["paused"] else "was paused already"
