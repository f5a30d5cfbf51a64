"""Handing the figures to what a project watches already: Prometheus and OpenTelemetry."""
