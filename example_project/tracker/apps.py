"""The tracker app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrackerConfig(AppConfig):
    """Projects, tasks and comments, and the activity that the feed tells of."""

    name = "tracker"
    verbose_name = _("Task tracker")
