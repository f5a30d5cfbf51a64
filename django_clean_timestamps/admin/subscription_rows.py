"""A subscription as people read it."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from django.utils.safestring import SafeString

from django_clean_timestamps.admin.display import show_age, show_stamp
from django_clean_timestamps.admin.marks import GONE, Mark, state_mark
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import SubscriptionStatus
from django_clean_timestamps.delivery.subscriptions import SLOT_COUNT

__all__ = ["ParkedCount", "SubscriptionRow"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ParkedCount:
    """
    How many events of a subscription are parked in one state.

    Attributes:
        mark: The state.
        count: How many.
        url: The address of their list; None where the viewer has none.
    """

    mark: Mark
    count: int
    url: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """
    One subscription of a table.

    Attributes:
        shard: Its row.
        status: How it stands in its log, None where that cannot be read.
        parked: How many of its events are parked, without the states that have none.
        now: What the database's clock says; None where nobody has a lease.
        url: Its own page.
    """

    shard: Subscription
    status: SubscriptionStatus | None
    parked: tuple[ParkedCount, ...]
    now: datetime | None
    url: str

    @property
    def mark(self) -> Mark:
        """Its state."""
        return state_mark(self.shard.state)

    @property
    def gone(self) -> Mark | None:
        """The mark of one whose handler is not in the code, None where it is."""
        return None if self.shard.handler in get_handlers() else GONE

    @property
    def is_whole(self) -> bool:
        """Whether it has all slots."""
        return (self.shard.slot_from, self.shard.slot_to) == (0, SLOT_COUNT - 1)

    @property
    def lag_age(self) -> str | None:
        """How long ago the first event that it has not heard was recorded; None where there is none."""
        seconds = None if self.status is None else self.status.lag_seconds
        return None if seconds is None else show_age(seconds)

    @property
    def resume_at(self) -> SafeString | None:
        """Until when it backs off."""
        return show_stamp(self.shard.resume_at)

    @property
    def lease_until(self) -> SafeString | None:
        """Until when somebody has it."""
        return show_stamp(self.shard.lease_until)

    @property
    def is_lease_over(self) -> bool:
        """Whether whoever has it is past that: the process died or was stopped."""
        until = self.shard.lease_until
        return self.now is not None and until is not None and until < self.now
