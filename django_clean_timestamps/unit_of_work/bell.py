"""The one place where the doorbell attaches to the unit of work."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["attach_bell", "ring"]

Bell = Callable[[str], object]

logger = logging.getLogger("django_clean_timestamps.unit_of_work")

_bell: Bell | None = None


def attach_bell(bell: Bell | None) -> None:
    """
    Have the bell called with the database's alias after each COMMIT of a transaction that wrote into the log.

    None for nobody, as it is at the start. It is called inside the connection's ``commit()``, which may not be back in
    autocommit yet. What it raises is logged and reaches nobody: the transaction stands.
    """
    global _bell
    _bell = bell


def ring(using: str) -> None:
    """Call the bell, if one is attached."""
    if _bell is None:
        return
    try:
        _bell(using)
    except Exception:
        logger.exception("The doorbell failed after a COMMIT on %r; the sweep finds its events", using)
