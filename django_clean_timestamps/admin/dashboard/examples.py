"""The slowest operations, with the way to what they were done to."""

from __future__ import annotations

import dataclasses

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.charts import Column, Shown, Table, Unit, show_value
from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.operations_table import name_of_operation
from django_clean_timestamps.admin.display import show_stamp
from django_clean_timestamps.admin.entity_links import entity_url
from django_clean_timestamps.admin.eventlog import EventLogAdmin
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.metrics.queries.operations import SlowExample

__all__ = ["ExampleRow", "examples_table", "rows_of_examples", "story_url"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRow:
    """
    One slow operation.

    Attributes:
        example: What is known of it.
        entity_url: The page of its entity, None where it has none that the user may view.
        story_url: The entity's events, None where the user may not see them.
    """

    example: SlowExample
    entity_url: str | None
    story_url: str | None

    @property
    def seconds(self) -> Shown:
        """How long it took."""
        return show_value(self.example.seconds, Unit.SECONDS)

    @property
    def when(self) -> SafeString | None:
        """When it was."""
        return show_stamp(self.example.occurred_at)

    @property
    def operation(self) -> str:
        """What was done."""
        return name_of_operation(self.example.operation)


def rows_of_examples(asked: Asked, examples: list[SlowExample]) -> list[ExampleRow]:
    """Return the examples with their links."""
    return [
        ExampleRow(
            example=each,
            entity_url=_entity_url(asked, each),
            story_url=story_url(asked, each.model, each.entity_id, each.database),
        )
        for each in examples
    ]


def examples_table(examples: list[SlowExample]) -> Table:
    """Return the examples for a file."""
    columns = (
        Column(key="occurred_at", label=_("When")),
        Column(key="took", label=_("Took"), unit=Unit.SECONDS),
        Column(key="model", label=_("Model")),
        Column(key="operation", label=_("Operation")),
        Column(key="outcome", label=_("Outcome")),
        Column(key="database", label=_("Database")),
        Column(key="entity_id", label=_("Entity")),
        Column(key="reason", label=_("Reason")),
    )
    rows = tuple(
        (
            each.occurred_at,
            each.seconds,
            each.model,
            each.operation,
            each.outcome,
            each.database,
            each.entity_id,
            each.reason,
        )
        for each in examples
    )
    return Table(caption=_("Slowest examples"), columns=columns, rows=rows)


def story_url(asked: Asked, label: str, entity_id: str, using: str) -> str | None:
    """Return the address of an entity's events in the log, None where the user may not see them on this site."""
    if not entity_id or not asked.site.is_registered(Event) or not asked.may_see(label):
        return None
    log = asked.site.get_model_admin(Event)
    if not isinstance(log, EventLogAdmin) or not log.has_view_permission(asked.request):
        return None
    return log.url_of_entity(Pending(entity_type=label, entity_id=entity_id), using)


def _entity_url(asked: Asked, example: SlowExample) -> str | None:
    if not example.entity_id or example.operation == "delete":
        return None
    return entity_url(asked.site, asked.request, example.model, example.entity_id, example.database)
