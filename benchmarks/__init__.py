"""Ours beside a plain model and an ``auto_now`` model of the same columns, in one process: ``python -m benchmarks``."""
