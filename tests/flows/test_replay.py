"""
The replay of an edit history, held against git and against an oracle of its own.

The oracle reads the file by itself and shares no code with the replay.
"""

import gzip
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from codebase.history.edits import HistoryError
from codebase.history.replay import Replay
from codebase.history.tsv import BUNDLED_HISTORY, TsvHistory
from codebase.models import ReplayProgress, Repository, SourceFile
from django_clean_timestamps.signals import timestamp_created
from django_clean_timestamps.testing import capture_events
from tests.flows.replaying import (
    FILE_LABEL,
    counted_events,
    digest_of_paths,
    oracle,
    replay,
    stored,
    write_tsv,
)

CHECKPOINTS = BUNDLED_HISTORY.with_name("celery_checkpoints.tsv")


@pytest.mark.django_db(transaction=True)
def test_the_bundled_history_agrees_with_git_and_with_each_files_own_edits() -> None:
    checkpoints = [line.split("\t") for line in CHECKPOINTS.read_text().splitlines()]
    replay = Replay(
        TsvHistory(BUNDLED_HISTORY, name="celery"),
        now=timezone.now(),
        commits_per_transaction=COMMITS_PER_TRANSACTION,
    )
    with counted_events() as event_counts:
        for number, _, file_count, digest in checkpoints:
            report = replay.run(until=int(number))
            assert digest_of_paths() == (int(file_count), digest), f"at commit {number}"

    assert len(checkpoints) == 16
    assert (report.edit_count, report.commit_count, report.author_count) == (28_435, 7_845, 1_111)
    assert event_counts.total() == 28_435
    assert stored(event_counts) == oracle(BUNDLED_HISTORY)
    repository = Repository.objects.get()
    assert repository.created_at == datetime(2009, 4, 24, 11, 30, tzinfo=UTC)
    assert repository.updated_at == max(file.updated_at for file in SourceFile.objects.all())


# A COMMIT waits for the disk on a server; 7,845 of them would be most of this test's time.
COMMITS_PER_TRANSACTION = 100


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [1, 7])
def test_a_stopped_replay_goes_on_with_the_first_commit_that_is_missing(batch: int) -> None:
    with counted_events() as event_counts:
        for limit in (1, 60, 39):
            replay(BUNDLED_HISTORY, name="celery", limit=limit, batch=batch)

    progress = ReplayProgress.objects.get()
    assert progress.commit_count == 100
    assert stored(event_counts) == oracle(BUNDLED_HISTORY, until=progress.commit_number)


@pytest.mark.django_db(transaction=True)
def test_a_replay_that_fails_inside_a_commit_leaves_nothing_of_that_commit(tmp_path: Path) -> None:
    path = write_tsv(
        tmp_path,
        "1 2020-01-01T00:00:00Z 1 A a",
        "2 2020-01-02T00:00:00Z 1 M a",
        "2 2020-01-02T00:00:00Z 1 A b",
    )

    def refuse(event: Any, **kwargs: Any) -> None:
        if event.reason == "commit 2":
            raise RuntimeError("refused")

    timestamp_created.connect(refuse, sender=SourceFile)
    try:
        with pytest.raises(RuntimeError, match="refused"):
            replay(path, batch=1)
    finally:
        timestamp_created.disconnect(refuse, sender=SourceFile)

    assert ReplayProgress.objects.get().commit_number == 1
    assert stored(Counter()).keys() == {"a"}
    assert SourceFile.objects.get().updated_at == datetime(2020, 1, 1, tzinfo=UTC)
    replay(path)
    assert {name: state.updated_at for name, state in stored(Counter()).items()} == {
        "a": datetime(2020, 1, 2, tzinfo=UTC),
        "b": datetime(2020, 1, 2, tzinfo=UTC),
    }


@pytest.mark.django_db(transaction=True)
def test_each_edit_carries_its_commit_and_the_repository_is_touched_once_a_commit(
    tmp_path: Path,
) -> None:
    path = write_tsv(
        tmp_path,
        "1 2020-01-01T00:00:00Z 1 A a",
        "1 2020-01-01T00:00:00Z 1 A b",
        "3 2020-01-03T00:00:00Z 2 M a",
        "3 2020-01-03T00:00:00Z 2 D b",
    )
    with capture_events() as events:
        replay(path, batch=1)

    told = [(event.entity_type, event.event_type, event.occurred_at.day, event.reason, event.actor) for event in events]
    assert told == [
        ("codebase.repository", "timestamp_created", 1, "replay began", ""),
        (FILE_LABEL, "timestamp_created", 1, "commit 1", "author 1"),
        (FILE_LABEL, "timestamp_created", 1, "commit 1", "author 1"),
        ("codebase.repository", "timestamp_updated", 1, "commit 1", "author 1"),
        (FILE_LABEL, "timestamp_updated", 3, "commit 3", "author 2"),
        (FILE_LABEL, "timestamp_deleted", 3, "commit 3", "author 2"),
        ("codebase.repository", "timestamp_updated", 3, "commit 3", "author 2"),
    ]
    assert {event.correlation_id for event in events[1:]} == {"commit-1", "commit-3"}


@pytest.mark.django_db(transaction=True)
def test_a_commit_whose_clock_was_behind_does_not_move_its_files_back(tmp_path: Path) -> None:
    path = write_tsv(
        tmp_path,
        "1 2020-01-05T00:00:00Z 1 A a",
        "1 2020-01-05T00:00:00Z 1 A gone",
        "2 2020-01-02T00:00:00Z 1 M a",
        "2 2020-01-02T00:00:00Z 1 A b",
        "2 2020-01-02T00:00:00Z 1 D gone",
        "3 2020-01-03T00:00:00Z 1 M b",
        "3 2020-01-03T00:00:00Z 1 M a",
        "4 2020-01-06T00:00:00Z 1 M a",
    )
    with counted_events() as event_counts:
        printed = replay(path)

    assert stored(event_counts) == oracle(path)
    assert SourceFile.objects.get(path="b").updated_at.day == 3
    assert Repository.objects.get().updated_at.day == 6
    assert "3 edits were older than their file's last one" in printed


@pytest.mark.django_db(transaction=True)
def test_a_commit_from_the_future_counts_as_made_when_the_replay_began(tmp_path: Path) -> None:
    now = timezone.now()
    late = now + timedelta(days=400)
    path = write_tsv(tmp_path, f"1 {late:%Y-%m-%dT%H:%M:%SZ} 1 A a")
    report = Replay(TsvHistory(path), now=now).run()

    assert SourceFile.objects.get().created_at == now
    assert report.adjustments.future_count == 1


@pytest.mark.django_db(transaction=True)
def test_edits_that_do_not_fit_are_made_to_fit_and_counted(tmp_path: Path) -> None:
    path = write_tsv(
        tmp_path,
        "1 2020-01-01T00:00:00Z 1 A a",
        "2 2020-01-02T00:00:00Z 1 A a",
        "2 2020-01-02T00:00:00Z 1 M b",
        "2 2020-01-02T00:00:00Z 1 D c",
    )
    adjustments = Replay(TsvHistory(path), now=timezone.now()).run().adjustments

    assert (
        adjustments.added_twice_count,
        adjustments.modified_unseen_count,
        adjustments.deleted_unseen_count,
    ) == (1, 1, 1)
    assert stored(Counter()).keys() == {"a", "b"}
    assert SourceFile.objects.get(path="a").created_at.day == 1


@pytest.mark.django_db(transaction=True)
def test_paths_that_a_collation_takes_for_the_same_are_two_files(tmp_path: Path) -> None:
    names = ("Readme", "README", "r\u00e9adme", "readme")
    path = write_tsv(tmp_path, *(f"1 2020-01-01T00:00:00Z 1 A {name}" for name in names))
    replay(path)
    assert stored(Counter()).keys() == set(names)


@pytest.mark.django_db(transaction=True)
def test_restart_begins_anew(tmp_path: Path) -> None:
    path = write_tsv(tmp_path, "1 2020-01-01T00:00:00Z 1 A a", "2 2020-01-02T00:00:00Z 1 M a")
    replay(path)
    assert "Nothing new" in replay(path)
    first_key = SourceFile.objects.get().pk
    assert "Replayed 2 edits" in replay(path, restart=True)
    assert SourceFile.objects.get().pk != first_key


@pytest.mark.django_db(transaction=True)
def test_another_history_under_the_same_name_is_refused(tmp_path: Path) -> None:
    replay(write_tsv(tmp_path, "1 2020-01-01T00:00:00Z 1 A a"))
    other = write_tsv(tmp_path, "1 2021-01-01T00:00:00Z 1 A a", "2 2021-01-02T00:00:00Z 1 M a")
    with pytest.raises(CommandError, match=r"commit 1 of 2020-01-01.* is not in it"):
        replay(other)
    assert SourceFile.objects.get().updated_at.year == 2020


@pytest.mark.django_db(transaction=True)
def test_two_replays_at_once_do_not_write_a_commit_twice(tmp_path: Path) -> None:
    history = TsvHistory(write_tsv(tmp_path, "1 2020-01-01T00:00:00Z 1 A a", "2 2020-01-02T00:00:00Z 1 A b"))
    Replay(history, now=timezone.now()).run(limit=1)
    first, second = (Replay(history, now=timezone.now()) for _ in range(2))
    first.run()
    with pytest.raises(HistoryError, match="another replay has moved on from commit 1"):
        second.run()
    assert SourceFile.objects.count() == 2


GOOD_LINE = "1 2020-01-01T00:00:00Z 1 A a"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 2020-01-02T00:00:00Z 1 A", "4 fields where 5 are wanted"),
        ("2 2020-01-02T00:00:00Z 1 A a b", "6 fields where 5 are wanted"),
        ("", "1 fields where 5 are wanted"),
        ("x 2020-01-02T00:00:00Z 1 A b", "'x' is no commit number"),
        ("0 2020-01-02T00:00:00Z 1 A b", "'0' is no commit number"),
        ("2 2020-01-02T00:00:00Z -1 A b", "'-1' is no author number"),
        ("2 99999999999 1 A b", "'99999999999' is no time"),
        ("2 2020-01-02T00:00:00 1 A b", "has no zone"),
        ("2 2020-01-02T00:00:00Z 1 R b", "'R' is none of A, M and D"),
        ("2 2020-01-02T00:00:00Z 1 A ", "'' is no path"),
        ("1 2020-01-02T00:00:00Z 1 A b", "another time or author"),
        ("1 2020-01-01T00:00:00Z 2 A b", "another time or author"),
    ],
    ids=itertools.count(1),
)
def test_a_malformed_line_is_named_and_nothing_is_written(tmp_path: Path, line: str, message: str) -> None:
    path = write_tsv(tmp_path, GOOD_LINE, line)
    with pytest.raises(CommandError, match=f"line 2: .*{message}"):
        replay(path)
    assert not Repository.objects.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2\t2020-01-02T00:00:00Z\t1\tA\tb\n1\t2020-01-02T00:00:00Z\t1\tA\tb\n", "line 2: commit 1"),
        (b"1\t2020-01-02T00:00:00Z\t1\tA\t\xff\n", "line 1: .*utf-8"),
        (b"", "there are no edits in it"),
        (gzip.compress(b"1\t2020-01-02T00:00:00Z\t1\tA\tb\n")[:-6], "cannot be read"),
        (b"\x1f\x8bno gzip at all", "cannot be read"),
    ],
    ids=["out of order", "no UTF-8", "empty", "cut off", "no gzip"],
)
def test_a_file_that_is_no_history_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=message):
        TsvHistory(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="cannot be read"):
        TsvHistory(tmp_path / "none.tsv")


def test_a_gzipped_history_is_the_same_as_a_plain_one(tmp_path: Path) -> None:
    plain = write_tsv(tmp_path, GOOD_LINE, "2 2020-01-02T00:00:00Z 1 D a")
    zipped = tmp_path / "zipped.tsv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(TsvHistory(zipped).commits()) == list(TsvHistory(plain).commits())
