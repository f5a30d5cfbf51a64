"""
How long things took, as a histogram that is small, merges by addition and knows any quantile within 0.55 %.

Pure Python: knows neither Django nor a database.
"""

from django_clean_timestamps.metrics.sketch.buckets import LE_BOUNDS
from django_clean_timestamps.metrics.sketch.sketch import Sketch

__all__ = ["LE_BOUNDS", "Sketch"]
