"""What one process does for all, whichever holds the lease."""

from __future__ import annotations

import logging
from typing import Final

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.alerts.evaluation import Evaluator
from django_clean_timestamps.metrics.lease import LeaseLost, take_lease
from django_clean_timestamps.metrics.pruning import Pruning
from django_clean_timestamps.metrics.rollups import Rollups
from django_clean_timestamps.metrics.sampling import Sampler

__all__ = ["Keeper"]

logger: Final = logging.getLogger("django_clean_timestamps.metrics")


class Keeper:
    """
    Rolls up, samples, prunes and evaluates alerts while it has the lease.

    Args:
        owner: The number of this process.
        using: The metrics' database.
    """

    def __init__(self, owner: int, using: str) -> None:
        self.owner = owner
        self.using = using
        self._rollups = Rollups(using)
        self._sampler = Sampler(using)
        self._pruning = Pruning(using)
        self._evaluator = Evaluator(using)

    def keep(self) -> bool:
        """
        Do what is due, and return whether it fell to this process.

        Raises:
            Error: The database could not do it now; the next pass goes on.
        """
        lease = take_lease(self.using, self.owner)
        if lease is None:
            return False
        now = int(database_now(self.using).timestamp())
        try:
            self._rollups.roll_up(lease, now)
            self._sampler.sample(lease, now)
            self._pruning.prune(lease, now)
            # The last, so that what is wrong with alerts keeps nothing else from being done.
            self._evaluator.evaluate(lease, now)
        except LeaseLost:
            return False
        return True
