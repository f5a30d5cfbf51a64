"""Pages of the event log, by position: nothing is counted and nothing skipped, however long the log is."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from django.db.models import QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from django_clean_timestamps.admin.log_search import LogSearch
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.story import entity_events, newest_pending

__all__ = ["PAGE_SIZE", "SEARCH_WINDOW", "LogPage", "read_page"]

PAGE_SIZE: Final = 100

SEARCH_WINDOW: Final = 100_000
"""How many positions one page looks through where no index leads to what is asked for."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """
    One page, newest first.

    Attributes:
        pending: What has no position yet, on the newest page.
        has_more_pending: Whether more is pending than is shown.
        events: What has one.
        oldest: The oldest position that is retained, 0 in an empty log.
        newest: The last position.
        newer: What to go on after, towards the newest; None at the end.
        older: What to go on at, towards the oldest; None at the end.
        searched: The first and the last position that were looked through, where the page is bounded by them.
        is_window_end: Whether the page ends because as many positions were looked through as one page may.
    """

    pending: tuple[Pending, ...] = ()
    has_more_pending: bool = False
    events: tuple[Event, ...] = ()
    oldest: int = 0
    newest: int = 0
    newer: int | None = None
    older: int | None = None
    searched: tuple[int, int] | None = None
    is_window_end: bool = False


def read_page(search: LogSearch) -> LogPage:
    """Return the page, by three statements at most, each bounded by the page or the window."""
    oldest, newest = _bounds(search.using)
    if search.after is not None:
        return _going_newer(search, search.after, oldest, newest)
    if search.upto is not None and search.upto < newest:
        return _going_older(search, search.upto, oldest, newest)
    # Before the events: what gets its position in between is found twice. In the other order it would be missed.
    pending = list(_matching(newest_pending(search.using), search)[: PAGE_SIZE + 1])
    page = _going_older(search, None, oldest, newest)
    placed = {event.event_id for event in page.events}
    waiting = tuple(event for event in pending[:PAGE_SIZE] if event.event_id not in placed)
    return dataclasses.replace(page, pending=waiting, has_more_pending=len(pending) > PAGE_SIZE)


def _going_older(search: LogSearch, upto: int | None, oldest: int, newest: int) -> LogPage:
    top = newest if upto is None else upto
    floor = max(oldest - 1, top - SEARCH_WINDOW) if search.is_windowed else None
    # The newest page has no upper bound: what came since the bounds were read belongs to it.
    found = _find(search, above=floor, upto=upto)
    events = found[:PAGE_SIZE]
    has_more = len(found) > PAGE_SIZE
    is_window_end = not has_more and floor is not None and floor >= oldest > 0
    older = events[-1].position - 1 if has_more else floor if is_window_end else None
    return LogPage(
        events=tuple(events),
        oldest=oldest,
        newest=newest,
        newer=upto,
        older=older,
        searched=_range(None if floor is None else floor + 1, top, first=events[-1].position if has_more else None),
        is_window_end=is_window_end,
    )


def _going_newer(search: LogSearch, after: int, oldest: int, newest: int) -> LogPage:
    ceiling = min(newest, after + SEARCH_WINDOW) if search.is_windowed else None
    found = _find(search, above=after, upto=ceiling, oldest_first=True)
    events = found[:PAGE_SIZE]
    has_more = len(found) > PAGE_SIZE
    is_window_end = not has_more and ceiling is not None and ceiling < newest
    return LogPage(
        events=tuple(reversed(events)),
        oldest=oldest,
        newest=newest,
        newer=events[-1].position if has_more else ceiling if is_window_end else None,
        older=after if after >= oldest > 0 else None,
        searched=_range(after + 1, ceiling, last=events[-1].position if has_more else None),
        is_window_end=is_window_end,
    )


def _find(search: LogSearch, *, above: int | None, upto: int | None, oldest_first: bool = False) -> list[Event]:
    events = Event.objects.using(search.using).all()
    if above is not None:
        events = events.filter(position__gt=above)
    if upto is not None:
        events = events.filter(position__lte=upto)
    if search.is_of_one_entity:
        return entity_events(
            _with_texts(events, search),
            search.labels or (),
            search.entity_id,
            limit=PAGE_SIZE + 1,
            oldest_first=oldest_first,
        )
    order = "position" if oldest_first else "-position"
    return list(_matching(events, search).order_by(order)[: PAGE_SIZE + 1])


def _matching(rows: QuerySet[Any, Any], search: LogSearch) -> QuerySet[Any, Any]:
    # As expressions: by the index a planner would walk all events of a type, which can be the whole log. SQLite prefers
    # it to the range of positions, and PostgreSQL may walk all of it for an id.
    rows = _with_texts(rows, search).alias(
        _type=Coalesce("entity_type", Value("")), _id=Coalesce("entity_id", Value(""))
    )
    if search.labels is not None:
        rows = rows.filter(_type__in=search.labels)
    return rows.filter(_id=search.entity_id) if search.entity_id else rows


def _with_texts(rows: QuerySet[Any, Any], search: LogSearch) -> QuerySet[Any, Any]:
    exact = {name: value for name in ("kind", "actor", "correlation_id") if (value := getattr(search, name))}
    rows = rows.filter(**exact)
    return rows.filter(reason__icontains=search.reason) if search.reason else rows


def _range(
    lowest: int | None, highest: int | None, *, first: int | None = None, last: int | None = None
) -> tuple[int, int] | None:
    """Return the positions that were looked through, as far as the page goes; None where no window bounded it."""
    if lowest is None or highest is None or lowest > highest:
        return None
    return (lowest if first is None else first, highest if last is None else last)


def _bounds(using: str) -> tuple[int, int]:
    """Return the oldest position that is retained and the last one, both 0 in an empty log."""
    oldest = Event.objects.using(using).order_by("position").values("position")[:1]
    newest = Event.objects.using(using).order_by("-position").annotate(_oldest=Subquery(oldest))
    return newest.values_list("_oldest", "position").first() or (0, 0)
