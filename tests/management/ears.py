"""Handlers of the tests of commands."""

from io import StringIO

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.parking import parked_row
from tests.eventlog.log import make_event


class Ear:
    """A handler that keeps what it hears, and fails as it is told."""

    def __init__(self, name="testapp.ear", *, error=None, **options):
        self.name = name
        self.error = error
        self.heard = []
        on_timestamp(name=name, **options)(self.hear)

    def hear(self, event):
        if self.error is not None:
            raise self.error
        self.heard.append(event)

    @property
    def reasons(self):
        return [event.reason for event in self.heard]


def park(handler="testapp.ear", *, using="default", log_alias=None, position=1, state="dead", entity_id="1", **values):
    """Park an event as if a handler had failed on it."""
    log_alias = log_alias or using
    event = make_event(position=position, entity_id=entity_id, reason=str(position), **values.pop("event", {}))
    row = parked_row(handler, log_alias, event, state)
    for name, value in values.items():
        setattr(row, name, value)
    row.save(using=using)
    return ParkedEvent.objects.using(using).get(pk=row.pk)


class Terminal(StringIO):
    def isatty(self):
        return True
