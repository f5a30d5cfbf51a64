"""The database's clock in SQL: leases are judged by it alone, since the machines' own differ."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["later_sql", "now_sql"]

_NOW: Final = {
    "postgresql": "statement_timestamp()",
    "mysql": "UTC_TIMESTAMP(6)",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
}
_LATER: Final = {
    "postgresql": "statement_timestamp() + interval '{:.3f} seconds'",
    "mysql": "UTC_TIMESTAMP(6) + INTERVAL {:.3f} SECOND",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '+{:.3f} seconds')",
}


def now_sql(connection: Any) -> str:
    """Return the expression of the moment, for a statement with parameters."""
    return _NOW[connection.vendor]


def later_sql(connection: Any, seconds: float) -> str:
    """Return the expression of the moment in so many seconds, 0 or more, for a statement with parameters."""
    return _LATER[connection.vendor].format(seconds)
