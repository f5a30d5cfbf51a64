"""What the tests of ``timestamps_explain`` ask about."""

import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.testapp.models import Note

EXPLAIN = "timestamps_explain"
DEFAULT = Place("default", "default")
BOTH = pytest.mark.django_db(databases=["default", "other"])


def make(title="tea"):
    note = Note.objects.create(title=title)
    drain("default")
    return note


def only_sequenced(note, reason="reviewed"):
    """Touch a note, and give the event a position that no handler hears yet."""
    note.touch(reason)
    sequence("default")
    return Event.objects.order_by("-position").first()


def told(event):
    """Return how an event is told: by position, time, kind and reason."""
    words = {1: "created", 2: "updated", 3: "deleted"}[event.kind]
    return f"#{event.position}, at {event.occurred_at:%Y-%m-%d %H:%M:%S.%f} UTC: {words}, '{event.reason}'"
