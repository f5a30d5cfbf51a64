"""The command that fills the tracker."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from tracker.seeding import seed


class Command(BaseCommand):
    """Makes the tracker's fixed set of users, projects, tasks and comments."""

    help = "Make a few projects, tasks and comments; what exists is left as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and print what was made."""
        made = seed(timezone.now())
        counts = ", ".join(f"{count} {kind}" for kind, count in made.items() if count)
        self.stdout.write(f"Seeded: {counts}." if counts else "Seeded before; nothing was missing.")
