"""The tracker app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrackerConfig(AppConfig):
    """Connects the list of recent events to the tracker's entities."""

    name = "tracker"
    verbose_name = _("Task tracker")

    def ready(self) -> None:
        """Start to listen to the events of projects, tasks and comments."""
        from tracker import recent_events

        for label in ("Project", "Task", "Comment"):
            recent_events.listen_to(self.get_model(label))
