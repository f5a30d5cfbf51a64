"""Whether this process can serve, and whether stamping, delivery and metrics are well."""

from django_clean_timestamps.metrics.health.shutdown import begin_shutdown, begin_shutdown_at_sigterm

__all__ = ["begin_shutdown", "begin_shutdown_at_sigterm"]
