"""The identifiers of events."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

__all__ = ["new_event_id"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_AND_VARIANT: Final = (0x7 << 76) | (0b10 << 62)


def new_event_id(reading: datetime) -> UUID:
    """
    Return a UUID of version 7 for the given aware clock reading.

    48 bits are its Unix milliseconds, the next 12 the microseconds within them (so that ids of one process sort by
    time below a millisecond too), 62 bits are random. A reading before 1970 counts as 1970. The standard library has
    version 7 from Python 3.14 on only.

    Source:
        RFC 9562, section 5.7, with the sub-millisecond fraction of section 6.2, method 3.
    """
    elapsed = reading - _EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds
    microseconds = max(0, seconds * 1_000_000 + elapsed.microseconds)
    milliseconds, rest = divmod(microseconds, 1000)
    random_bits = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    fraction = rest * 4096 // 1000
    return UUID(int=(milliseconds << 80) | (fraction << 64) | _VERSION_AND_VARIANT | random_bits)
