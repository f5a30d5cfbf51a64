"""The app's configuration."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

__all__ = ["CleanTimestampsConfig"]


class CleanTimestampsConfig(AppConfig):
    """Connects the parts of the package and registers its system checks."""

    name = "django_clean_timestamps"
    label = "clean_timestamps"
    verbose_name = _("Clean timestamps")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect everything, once the models are there."""
        from django_clean_timestamps import wiring

        wiring.connect()
