"""The command that brings the activity up to date."""

from typing import Any

from django.core.management.base import BaseCommand

from tracker.activity import follow_activity


class Command(BaseCommand):
    """Reads the feed into the activity, from where it was read last."""

    help = "Store an entry of the activity for each change that the feed has and the activity has not."

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow the feed to its end, and print how far that was."""
        followed = follow_activity()
        self.stdout.write(f"Followed: {followed.entry_count:,} changes in {followed.page_count:,} pages of the feed.")
