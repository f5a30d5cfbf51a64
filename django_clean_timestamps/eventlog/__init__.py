"""
The event log: written with the row, in an order that loses nothing, read by anyone.

Events are inserted into ``Pending`` in the transaction of the change they tell of; the sequencer moves them into
``Event`` under dense positions; whoever reads these in order misses nothing.
"""

from django_clean_timestamps.eventlog.feed import Page, changed_since

__all__ = ["Page", "changed_since"]
