"""The clock that stamps are read from, and what keeps them strictly increasing."""

from django_clean_timestamps.clocks.increase import TICK, later
from django_clean_timestamps.clocks.reading import read_clock, system_clock

__all__ = ["TICK", "later", "read_clock", "system_clock"]
