"""The demo app."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Brings the ``demo`` command; it has no models."""

    name = "demo"
