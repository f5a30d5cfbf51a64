"""What the figures are kept apart by."""

from __future__ import annotations

from typing import Final

from django_clean_timestamps.probes import FAILED, INVALID, OK

__all__ = [
    "ALL",
    "ALL_EVENTS",
    "ALL_HANDLERS",
    "ALL_ROWS",
    "BULK_OPERATIONS",
    "HANDLER_PREFIX",
    "SINGLE_ROW_OPERATIONS",
    "SUMS",
    "WRITE_EVENTS",
    "sum_of",
]

ALL: Final = "__all__"
"""The model of what is the sum of several series."""

ALL_ROWS: Final = "rows"
"""The operation of the sum of the single-row operations."""
ALL_EVENTS: Final = "events"
"""That of all writes into logs."""
ALL_HANDLERS: Final = "handlers"
"""That of the runs of all handlers."""

SINGLE_ROW_OPERATIONS: Final = frozenset({"create", "update", "touch", "delete"})
BULK_OPERATIONS: Final = frozenset(
    {"bulk_create", "bulk_update", "queryset_update", "queryset_touch", "queryset_delete"}
)
WRITE_EVENTS: Final = "write_events"
HANDLER_PREFIX: Final = "handler:"

SUMS: Final = tuple(
    (ALL, operation, outcome, "")
    for operation in (ALL_ROWS, ALL_EVENTS, ALL_HANDLERS)
    for outcome in (OK, INVALID, FAILED)
)
"""The series of the sums."""


def sum_of(operation: str) -> str | None:
    """Return the operation of the sum that an operation is part of, None for none."""
    if operation in SINGLE_ROW_OPERATIONS:
        return ALL_ROWS
    if operation == WRITE_EVENTS:
        return ALL_EVENTS
    return ALL_HANDLERS if operation.startswith(HANDLER_PREFIX) else None
