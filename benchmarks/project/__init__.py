"""The project whose processes the benchmarks of workers and brokers start: writers, and each side's workers."""
