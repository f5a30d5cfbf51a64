"""
The three signals that dispatch domain events in-process, and the one that tells of alerts.

Each is sent inside the transaction of the write, with ``sender`` (the model class; of a proxy, its concrete model),
``event`` (the domain event) and ``instance`` (the entity; None where a bulk write has none). What a receiver raises
goes to the writer and undoes the write.

``timestamp_alert`` is sent when an alert fires, changes its level, loses its data or is over, with ``sender`` (the
class of what is told) and ``alert`` (see ``metrics.alerts.wording.Message``): in a thread of the process that has found
it, outside of any transaction, at least once with each ``alert.key``. What a receiver raises has it sent again later,
to all receivers.
"""

from django.dispatch import Signal

__all__ = ["timestamp_alert", "timestamp_created", "timestamp_deleted", "timestamp_updated"]

timestamp_created = Signal(use_caching=True)
timestamp_updated = Signal(use_caching=True)
timestamp_deleted = Signal(use_caching=True)
timestamp_alert = Signal()
