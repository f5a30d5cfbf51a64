"""
The demo's check of the feed: it agrees where all is well, and names each thing that is not.

Every fault below is made in the tables themselves, past everything that would stamp or record.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from codebase.history.checkpoints import Checkpoint
from codebase.history.edits import Commit
from codebase.history.tsv import TsvHistory
from codebase.models import SourceFile
from demo.feed import FeedReading, Stamps, read_feed
from demo.feed_verification import FeedFindings, verify_feed
from demo.verification import VerificationError, replay_and_verify
from django_clean_timestamps.eventlog.models import Event
from tracker.models import Project

pytestmark = pytest.mark.django_db(transaction=True)

# A file that is renamed (old to new), one that comes back (back), one whose clock was behind (late).
LINES = """\
1 2020-01-01T00:00:00Z 1 A old
1 2020-01-01T00:00:00Z 1 A back
2 2020-01-05T00:00:00Z 2 A late
3 2020-01-02T00:00:00Z 1 M late
3 2020-01-02T00:00:00Z 1 M old
4 2020-01-06T00:00:00Z 1 D old
4 2020-01-06T00:00:00Z 1 A new
5 2020-01-07T00:00:00Z 2 D back
6 2020-01-08T00:00:00Z 1 A back
7 2020-01-09T00:00:00Z 1 M new
"""


def day(number: int) -> datetime:
    return datetime(2020, 1, number, tzinfo=UTC)


AS_GIT_SAYS = {
    "late": Stamps(day(5), day(5)),
    "new": Stamps(day(6), day(9)),
    "back": Stamps(day(8), day(8)),
}


@pytest.fixture
def history(tmp_path: Path) -> TsvHistory:
    path = tmp_path / "small.tsv"
    path.write_text(LINES.replace(" ", "\t"))
    return TsvHistory(path)


@pytest.fixture
def commits(history: TsvHistory) -> list[Commit]:
    """Return the history's commits, which have been replayed; another entity was written before them."""
    Project.objects.create(name="Website", slug="website")
    verified = replay_and_verify(history, now=timezone.now())
    assert verified.feed.faults == ()
    return list(history.commits())


def verify(
    commits: Sequence[Commit], *, reading: FeedReading | None = None, checkpoints: Sequence[Checkpoint] = ()
) -> FeedFindings:
    return verify_feed(reading or read_feed(), commits, checkpoints, dict(AS_GIT_SAYS))


def events_of(path: str) -> QuerySet[Any]:
    return Event.objects.filter(
        entity_type="codebase.sourcefile", entity_id=str(SourceFile.objects.get(path=path).pk)
    ).order_by("position")


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def test_renamed_returned_and_held_back_files_are_rebuilt(commits: list[Commit]) -> None:
    findings = verify(commits)
    assert findings.faults == ()
    assert (findings.file_count, findings.deleted_file_count, findings.entity_count) == (3, 2, 5)
    # The project, the repository and its one touch, and ten edits.
    assert findings.event_count == 13
    assert "3 files that exist and 2 that were deleted" in "\n".join(findings.lines())


def test_the_feed_is_read_in_as_many_pages_as_it_takes(commits: list[Commit]) -> None:
    reading = read_feed(limit=5)
    assert (len(reading.events), reading.page_count) == (13, 3)
    assert reading.events == read_feed().events
    assert verify(commits, reading=reading).faults == ()


def test_a_row_that_was_stamped_past_the_log_differs(commits: list[Commit]) -> None:
    execute("UPDATE codebase_sourcefile SET updated_at = created_at WHERE path = 'new'")
    (fault,) = verify(commits).faults
    assert fault.startswith("Key(entity_type='codebase.sourcefile'")
    assert fault.endswith("from the rows")


@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_a_row_of_any_other_model_is_compared_too(commits: list[Commit], column: str) -> None:
    execute(f"UPDATE tracker_project SET {column} = %s", connection.ops.adapt_datetimefield_value(day(1)))
    (fault,) = verify(commits).faults
    assert fault.startswith("Key(entity_type='tracker.project'")


def test_a_row_that_is_gone_past_the_log_differs(commits: list[Commit]) -> None:
    execute("DELETE FROM codebase_sourcefile WHERE path = 'new'")
    (fault,) = verify(commits).faults
    assert "None from the rows" in fault


def test_a_lost_event_is_a_gap_and_a_break_in_its_files_order(commits: list[Commit]) -> None:
    reading = read_feed()
    lost = next(index for index, event in enumerate(reading.events) if event.reason == "commit 2")
    kept = (*reading.events[:lost], *reading.events[lost + 1 :])
    faults = verify(commits, reading=dataclasses.replace(reading, events=kept)).faults
    assert f"the feed's event number {lost + 1} has position {lost + 2}" in faults
    assert any("timestamp_updated of codebase.sourcefile" in fault and "not there" in fault for fault in faults)
    assert "the feed ends before commit 7" in faults


def test_two_events_of_a_file_in_the_wrong_order_are_named(commits: list[Commit]) -> None:
    reading = read_feed()
    events = list(reading.events)
    wanted = set(events_of("late").values_list("position", flat=True))
    first, second = (index for index, event in enumerate(events) if event.position in wanted)
    events[first], events[second] = (
        dataclasses.replace(events[second], position=events[first].position),
        dataclasses.replace(events[first], position=events[second].position),
    )
    faults = verify(commits, reading=dataclasses.replace(reading, events=tuple(events))).faults
    assert not any(fault.startswith("the feed's event number") for fault in faults)
    assert any(fault.endswith("which was not there") for fault in faults)


def test_an_update_that_does_not_begin_where_the_last_one_ended_is_named(commits: list[Commit]) -> None:
    events_of("new").filter(kind=2).update(previous_at=day(8))
    (fault,) = verify(commits).faults
    assert "which was at 2020-01-06 00:00:00+00:00, not at 2020-01-08 00:00:00+00:00" in fault


@pytest.mark.parametrize(
    "change", [{"occurred_at": F("occurred_at") + timedelta(seconds=1)}, {"reason": "commit 6"}, {"actor": "author 2"}]
)
def test_an_event_that_says_something_else_than_git_is_named(commits: list[Commit], change: dict[str, Any]) -> None:
    last = events_of("new").last()
    assert last is not None
    Event.objects.filter(pk=last.pk).update(**change)
    assert any(f"event {last.pk} says" in fault and "git's edit of new" in fault for fault in verify(commits).faults)


def test_what_is_rebuilt_is_compared_with_git_too(commits: list[Commit]) -> None:
    # The row and its creation tell the same wrong story.
    created = events_of("late").first()
    assert created is not None
    Event.objects.filter(pk=created.pk).update(previous_at=day(1))
    earlier = connection.ops.adapt_datetimefield_value(day(1))
    execute("UPDATE codebase_sourcefile SET created_at = %s WHERE path = 'late'", earlier)
    (fault,) = verify(commits).faults
    assert fault.startswith("late: ")
    assert fault.endswith("from git")


def test_an_event_after_the_deletion_is_named(commits: list[Commit]) -> None:
    deletion = Event.objects.filter(kind=3).latest("position")
    Event.objects.filter(position__gt=deletion.pk, kind=1).update(entity_id=deletion.entity_id)
    assert any(fault.endswith("which was deleted") for fault in verify(commits).faults)


def test_an_event_of_another_file_than_the_paths_is_named(commits: list[Commit]) -> None:
    update = events_of("new").last()
    assert update is not None
    Event.objects.filter(pk=update.pk).update(entity_id=str(SourceFile.objects.get(path="late").pk))
    assert any(fault.startswith(f"event {update.pk} is of file") for fault in verify(commits).faults)


def test_an_event_that_git_has_no_edit_for_is_named(commits: list[Commit]) -> None:
    SourceFile.objects.get(path="new").touch("by hand")
    assert "the feed has 1 events of files after the last edit" in verify(commits).faults


def test_the_paths_are_compared_at_every_checkpoint(commits: list[Commit]) -> None:
    digest = hashlib.sha256(b"back\nlate\nnew").hexdigest()
    right = Checkpoint(commit_number=4, file_count=3, digest=digest)
    assert verify(commits, checkpoints=[right]).faults == ()
    wrong = dataclasses.replace(right, file_count=4)
    (fault,) = verify(commits, checkpoints=[wrong]).faults
    assert fault == "at commit 4 the feed has 3 files where git had 4"


def test_a_difference_stops_the_check(history: TsvHistory) -> None:
    Project.objects.create(name="Website", slug="website")
    execute("DELETE FROM tracker_project")
    with pytest.raises(VerificationError, match=r"1 things differ in the feed\n.*tracker\.project"):
        replay_and_verify(history, now=timezone.now())
