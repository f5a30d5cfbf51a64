"""Stamping rows on every write path, and recording what was written."""
