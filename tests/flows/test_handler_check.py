"""
The demo's check of the handlers: it agrees where all is well, and names each thing that is not.

Every fault below is made in the tables of the handlers themselves.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from codebase.history.tsv import TsvHistory
from codebase.models import FileChange, Repository, RepositoryStatistics
from demo import handler_verification
from demo.handler_verification import verify_handlers
from demo.verification import VerificationError, replay_and_verify
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.testing import drain_all
from tracker.models import Project, ProjectStatistics

pytestmark = pytest.mark.django_db(transaction=True)

# A file that is renamed (old to new), and one whose clock was behind, by more than a year's end.
LINES = """\
1 2020-01-01T00:00:00Z 1 A old
2 2021-01-05T00:00:00Z 2 A late
3 2020-12-31T00:00:00Z 1 M late
3 2020-12-31T00:00:00Z 1 M old
4 2021-02-01T00:00:00Z 1 D old
4 2021-02-01T00:00:00Z 1 A new
"""


@pytest.fixture(autouse=True)
def _no_handlers() -> Iterator[None]:
    """Let there be, instead of none, those that work in the transaction; the third is sent, and here is no broker."""
    with only_handlers("tracker.count_changes", "codebase.keep_history"):
        yield


@pytest.fixture
def history(tmp_path: Path) -> TsvHistory:
    """Return a history that was replayed and delivered, beside a project."""
    path = tmp_path / "small.tsv"
    path.write_text(LINES.replace(" ", "\t"))
    history = TsvHistory(path)
    Project.objects.create(name="Website", slug="website")
    replay_and_verify(history, now=timezone.now())
    drain_all()
    return history


def fault(history: TsvHistory) -> str:
    with pytest.raises(VerificationError) as caught:
        verify_handlers(history)
    return str(caught.value)


def test_what_the_handlers_kept_agrees(history: TsvHistory) -> None:
    findings = verify_handlers(history)
    assert (findings.change_count, findings.year_count, findings.project_count) == (6, 2, 1)
    (line,) = findings.lines()
    assert "kept 6 changes of files, each once and in git's order, and counted 2 years" in line


def test_the_year_of_an_edit_is_that_of_its_stamp(history: TsvHistory) -> None:
    rows = RepositoryStatistics.objects.values_list("year", "created_count", "updated_count", "deleted_count")
    assert list(rows) == [(2020, 1, 1, 0), (2021, 2, 1, 1)]


def test_a_part_of_a_history_is_compared_with_that_part(tmp_path: Path) -> None:
    path = tmp_path / "small.tsv"
    path.write_text(LINES.replace(" ", "\t"))
    replay_and_verify(TsvHistory(path), now=timezone.now(), last_commit_number=3)
    drain_all()
    assert verify_handlers(TsvHistory(path), last_commit_number=3).change_count == 4
    assert "ends before commit 4" in fault(TsvHistory(path))


def test_a_change_that_is_missing_is_named(history: TsvHistory) -> None:
    FileChange.objects.get(reason="commit 2").delete()
    text = fault(history)
    assert "changes that a handler kept differ" in text
    assert "says timestamp_updated" in text
    assert "where git's edit of late says timestamp_created" in text
    assert "the history that a handler kept ends before commit 4" in text


def test_a_change_that_is_kept_twice_is_named(history: TsvHistory) -> None:
    change = FileChange.objects.latest("position")
    change.position += 1
    change.event_id = change.event_id.__class__(int=1)
    change.save(force_insert=True)
    assert "the history that a handler kept has 1 events of files after the last edit" in fault(history)


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": F("occurred_at") + timedelta(seconds=1)},
        {"reason": "commit 9"},
        {"actor": "author 9"},
        {"event_type": "timestamp_deleted"},
    ],
)
def test_a_change_that_says_something_else_than_git_is_named(history: TsvHistory, change: dict[str, Any]) -> None:
    FileChange.objects.filter(reason="commit 2").update(**change)
    assert "where git's edit of late says" in fault(history)


def test_changes_in_another_order_are_named(history: TsvHistory) -> None:
    FileChange.objects.filter(reason="commit 1").update(position=F("position") + 100)
    assert "where git's edit of old says timestamp_created" in fault(history)


def test_a_change_of_another_file_is_named(history: TsvHistory) -> None:
    FileChange.objects.filter(reason="commit 4", event_type="timestamp_created").update(entity_id="77")
    assert "ends with other files than there are" in fault(history)


@pytest.mark.parametrize(
    "change",
    [
        {"created_count": 7},
        {"updated_count": 7},
        {"deleted_count": 7},
        {"last_changed_at": F("last_changed_at") + timedelta(seconds=1)},
        {"year": 1999},
    ],
)
def test_a_year_that_was_counted_otherwise_is_named(history: TsvHistory, change: dict[str, Any]) -> None:
    RepositoryStatistics.objects.filter(year=2020).update(**change)
    text = fault(history)
    assert "years that a handler counted differ" in text
    assert f"{Repository.objects.get()} in 2020:" in text


@pytest.mark.parametrize("change", [{"change_count": 7}, {"last_reason": "another"}, {"last_actor": "another"}])
def test_a_project_that_was_counted_otherwise_is_named(history: TsvHistory, change: dict[str, Any]) -> None:
    ProjectStatistics.objects.update(**change)
    text = fault(history)
    assert "projects that a handler counted differ" in text
    assert f"project {Project.objects.get().pk}:" in text


def test_a_project_that_was_not_counted_and_one_that_is_not_there_are_named(history: TsvHistory) -> None:
    key = ProjectStatistics.objects.get().pk
    ProjectStatistics.objects.all().delete()
    assert f"project {key}: None kept by a handler" in fault(history)
    drain_all()
    ProjectStatistics.objects.create(project_id=key + 1)
    text = fault(history)
    assert f"project {key + 1}: (0, 0, None, '', '') kept by a handler, None in the feed" in text


def test_the_bundled_checkpoints_are_compared_too(history: TsvHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    from codebase.history.checkpoints import Checkpoint

    wrong = Checkpoint(commit_number=3, file_count=9, digest="")
    monkeypatch.setattr(handler_verification, "read_checkpoints", lambda: [wrong])
    assert "at commit 3 the history that a handler kept has 2 files where git had 9" in fault(history)
