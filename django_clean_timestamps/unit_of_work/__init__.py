"""
What one transaction has recorded and not yet written.

Django has no hook before COMMIT. Here events wait in memory, bound to the savepoint they were recorded under, and are
handed to the writer just before COMMIT; errands (work that must be done once before COMMIT, such as touching parents)
run first. Whatever is rolled back takes its events and errands along.
"""

from django_clean_timestamps.unit_of_work.bell import attach_bell
from django_clean_timestamps.unit_of_work.blocks import write_block
from django_clean_timestamps.unit_of_work.capture import capture, is_capturing
from django_clean_timestamps.unit_of_work.levels import Entry
from django_clean_timestamps.unit_of_work.seam import UnitOfWorkMixin
from django_clean_timestamps.unit_of_work.unit import UnitOfWork, get_unit, peek_unit, write_pending
from django_clean_timestamps.unit_of_work.writer import (
    KnownRow,
    SetBasedWriter,
    SharedFacts,
    Writer,
    attach_writer,
    get_writer,
    is_set_based,
    set_based_writer,
    writer_in_use,
)

__all__ = [
    "Entry",
    "KnownRow",
    "SetBasedWriter",
    "SharedFacts",
    "UnitOfWork",
    "UnitOfWorkMixin",
    "Writer",
    "attach_bell",
    "attach_writer",
    "capture",
    "get_unit",
    "get_writer",
    "is_capturing",
    "is_set_based",
    "peek_unit",
    "set_based_writer",
    "write_block",
    "write_pending",
    "writer_in_use",
]
