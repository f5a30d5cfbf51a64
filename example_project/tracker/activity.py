"""
The site's activity: a table of its own, filled from the feed by a small reader.

The feed runs from old to new, so "the newest fifty" is no question to put to it: somebody who asks once would have to
read all of it. A site that shows the newest changes therefore follows the feed, and keeps what it wants to show:

- ``follow_activity()`` reads page after page from a stored cursor. It may be called by anybody, at any time and by
  several at once: here by the activity page itself, and by ``manage.py follow_activity``, say every minute.
- A page's entries and the cursor behind it are stored in one transaction, so that a crash can neither lose an entry
  nor make it twice. The feed is read *before* that transaction: inside one it gives no new positions.

The entries are the site's own. They stay when the log is pruned, and they can have the columns and indexes that
the pages need.
"""

from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.eventlog import Page, changed_since
from django_clean_timestamps.exceptions import BadCursor, CursorExpired
from tracker.models import ActivityCursor, ActivityEntry

# By label, so that the tracker need not import the apps whose changes it shows.
ACTIVITY_NAMES: Final = {
    "tracker.project": _("Projects"),
    "tracker.task": _("Tasks"),
    "tracker.comment": _("Comments"),
    "codebase.repository": _("Repositories"),
    "codebase.sourcefile": _("Files"),
}
ACTIVITY_MODELS: Final = tuple(ACTIVITY_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """
    How far the activity has been read.

    ``cursor`` is the feed's cursor behind the newest entry, and ``has_more`` says whether there was more to read when
    the last page was.
    """

    cursor: str
    entry_count: int
    page_count: int
    has_more: bool


def follow_activity(*, max_pages: int | None = None, limit: int = 500) -> Followed:
    """
    Store an entry for each change that came since the last call; one transaction a page.

    Must not be called inside a transaction.

    Args:
        max_pages: How many pages to read at most; None for all.
        limit: How many changes a page has at most.
    """
    entry_count = page_count = 0
    while True:
        stored, _is_new = ActivityCursor.objects.get_or_create(pk=ActivityCursor.KEY)
        page, starts_anew = _page_after(stored.cursor, limit)
        page_count += 1
        if page.cursor != stored.cursor:
            entry_count += _store(page, stored.cursor, starts_anew=starts_anew)
        if not page.has_more or page_count == max_pages:
            return Followed(cursor=page.cursor, entry_count=entry_count, page_count=page_count, has_more=page.has_more)


def _page_after(cursor: str, limit: int) -> tuple[Page, bool]:
    try:
        return changed_since(cursor or None, models=ACTIVITY_MODELS, limit=limit), False
    except CursorExpired:
        # Nobody followed for longer than the log is retained. What was pruned meanwhile cannot be shown any more;
        # the entries before it are still true, so go on behind them from the oldest event that there is.
        return changed_since(models=ACTIVITY_MODELS, limit=limit), False
    except BadCursor:
        # SECRET_KEY was changed, or the log is another one than was read: the entries are made anew.
        return changed_since(models=ACTIVITY_MODELS, limit=limit), True


@transaction.atomic
def _store(page: Page, old_cursor: str, *, starts_anew: bool) -> int:
    # Of two that have read the same page, the second finds the cursor moved on and has nothing to store.
    cursors = ActivityCursor.objects.filter(pk=ActivityCursor.KEY, cursor=old_cursor)
    if not cursors.update(cursor=page.cursor):
        return 0
    if starts_anew:
        ActivityEntry.objects.all().delete()
    return len(ActivityEntry.objects.bulk_create(map(ActivityEntry.of, page.changes)))
