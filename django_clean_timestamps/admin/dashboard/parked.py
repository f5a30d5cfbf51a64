"""What is parked, in groups to be retried or skipped at once, and the newest of it one by one."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any, Final

from django.db import Error
from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from django_clean_timestamps.admin.dashboard.asked import Asked
from django_clean_timestamps.admin.dashboard.examples import story_url
from django_clean_timestamps.admin.databases import delivery_databases
from django_clean_timestamps.admin.delivery_links import parked_list_url, parked_url
from django_clean_timestamps.admin.display import first_line, show_stamp
from django_clean_timestamps.admin.entity_links import entity_url
from django_clean_timestamps.admin.marks import Mark, fate_mark
from django_clean_timestamps.admin.parked import ParkedEventAdmin
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.story import reading_log
from django_clean_timestamps.events import TimestampDeletedEvent
from django_clean_timestamps.exceptions import EventLogMissingError

__all__ = ["NEWEST_SHOWN", "ParkedGroup", "ParkedLine", "parked_admin", "read_groups", "read_newest"]

NEWEST_SHOWN: Final = 20

State = ParkedEvent.State

logger = logging.getLogger("django_clean_timestamps.admin")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ParkedGroup:
    """
    The parked events of a handler in one state.

    Attributes:
        database: Where they are.
        handler: Whose.
        state: In which state.
        count: How many the user may see.
        list_url: The list of them.
        retry_url: Where they can be retried at once, None where such are not.
        skip_url: Where they can be given up at once.
    """

    database: str
    handler: str
    state: str
    count: int
    list_url: str
    retry_url: str | None
    skip_url: str

    @property
    def mark(self) -> Mark:
        """What becomes of them."""
        return fate_mark(self.state)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ParkedLine:
    """
    One parked event.

    Attributes:
        row: It.
        url: Its own page.
        entity_url: The page of its entity, None where the user has none.
        story_url: Its entity's events, None where the user may not see them.
    """

    row: ParkedEvent
    url: str
    entity_url: str | None
    story_url: str | None

    @property
    def mark(self) -> Mark:
        """What becomes of it."""
        return fate_mark(self.row.state)

    @property
    def entity(self) -> str:
        """Which entity it is of."""
        return f"{self.row.event['entity_type']}:{self.row.event['entity_id']}"

    @property
    def error(self) -> str:
        """The first line of what went wrong."""
        return first_line(self.row.last_error)

    @property
    def when(self) -> SafeString | None:
        """When it was parked."""
        return show_stamp(self.row.parked_at)


def parked_admin(asked_site: Any) -> ParkedEventAdmin | None:
    """Return the admin of parked events on a site, None where it has another one or none."""
    if not asked_site.is_registered(ParkedEvent):
        return None
    found = asked_site.get_model_admin(ParkedEvent)
    return found if isinstance(found, ParkedEventAdmin) else None


def read_groups(asked: Asked) -> list[ParkedGroup]:
    """Return how many events are parked, of those that the user may see; one statement for each database."""
    groups = []
    for using, rows in _visible(asked):
        counted: Any = rows.exclude(state=State.SKIPPED).values_list("handler", "state").annotate(count=Count("id"))
        for handler, state, count in counted.order_by("handler", "state"):
            query = urlencode({"database": using, "handler": handler, "state": state})
            groups.append(
                ParkedGroup(
                    database=using,
                    handler=handler,
                    state=state,
                    count=count,
                    list_url=parked_list_url(asked.site, using, handler=handler, state__exact=state),
                    retry_url=f"{_action_url(asked, 'retry')}?{query}" if state in (State.RETRY, State.DEAD) else None,
                    skip_url=f"{_action_url(asked, 'skip')}?{query}",
                )
            )
    return groups


def read_newest(asked: Asked) -> list[ParkedLine]:
    """Return the newest dead and failing events that the user may see; one statement for each database."""
    found = []
    for using, rows in _visible(asked):
        chosen = rows.filter(state__in=[State.DEAD, State.RETRY]).order_by("-id")[:NEWEST_SHOWN]
        found += [_line(asked, row, using) for row in chosen]
    return sorted(found, key=lambda line: line.row.parked_at, reverse=True)[:NEWEST_SHOWN]


def _visible(asked: Asked) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Yield the parked events of each database that can be read; what cannot is logged, and must not hide the rest."""
    admin = parked_admin(asked.site)
    for using in delivery_databases() if admin is not None else ():
        try:
            with reading_log(using):
                rows = admin.rows_in(asked.request, using)  # type: ignore[union-attr]
                rows.exists()
        except (Error, EventLogMissingError) as error:
            logger.warning("The parked events of %r cannot be read: %s", using, error)
            continue
        yield using, rows


def _line(asked: Asked, row: ParkedEvent, using: str) -> ParkedLine:
    event, entity = row.event, None
    label, key = event["entity_type"], event["entity_id"]
    if event["event_type"] != TimestampDeletedEvent.event_type:
        entity = entity_url(asked.site, asked.request, label, key, row.log_alias)
    return ParkedLine(
        row=row,
        url=parked_url(asked.site, using, row.pk),
        entity_url=entity,
        story_url=story_url(asked, label, key, row.log_alias),
    )


def _action_url(asked: Asked, action: str) -> str:
    return reverse(f"{asked.site.name}:clean_timestamps_dashboard_{action}")
