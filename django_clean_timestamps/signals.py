"""
The three signals that dispatch domain events in-process.

Each is sent inside the transaction of the write, with ``sender`` (the model class; of a proxy, its concrete model),
``event`` (the domain event) and ``instance`` (the entity; None where a bulk write has none). What a receiver raises
goes to the writer and undoes the write.
"""

from django.dispatch import Signal

__all__ = ["timestamp_created", "timestamp_deleted", "timestamp_updated"]

timestamp_created = Signal(use_caching=True)
timestamp_updated = Signal(use_caching=True)
timestamp_deleted = Signal(use_caching=True)
