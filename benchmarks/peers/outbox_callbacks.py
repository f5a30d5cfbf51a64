"""What django-outbox-pattern calls with each message, as its manual shows it."""

from typing import Any

from django.db import transaction

from benchmarks.project import moments


def cause_effect(payload: Any) -> None:
    with transaction.atomic():
        moments.effect(payload.body["id"])
        payload.save()
