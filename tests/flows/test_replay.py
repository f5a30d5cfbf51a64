"""
The replay of an edit history, held against git and against an oracle of its own.

The oracle below reads the file by itself and shares no code with the replay.
"""

import gzip
import hashlib
import io
import itertools
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from codebase.history.edits import Commit, HistoryError
from codebase.history.git import GitHistory
from codebase.history.pace import Pace, ProgressBar
from codebase.history.replay import Replay
from codebase.history.tsv import BUNDLED_HISTORY, TsvHistory
from codebase.models import ReplayProgress, Repository, SourceFile
from django_clean_timestamps.signals import (
    timestamp_created,
    timestamp_deleted,
    timestamp_updated,
)
from django_clean_timestamps.testing import capture_events

CHECKPOINTS = BUNDLED_HISTORY.with_name("celery_checkpoints.tsv")
FILE_LABEL = "codebase.sourcefile"
SIGNALS = (timestamp_created, timestamp_updated, timestamp_deleted)


@dataclass(frozen=True, kw_only=True)
class FileState:
    """What a file looks like: its stamps, its number of edits, and who made the last one."""

    created_at: datetime
    updated_at: datetime
    edit_count: int
    commit_number: int
    author_number: int


def oracle(path: Path, *, until: int | None = None) -> dict[str, FileState]:
    """
    Return each file as the history leaves it, straight from the file's lines.

    The rule for clocks that go back: a file's time is the latest among its edits so far.
    """
    edits_of: dict[str, list[list[str]]] = {}
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode()
    for line in text.splitlines():
        row = line.split("\t")
        if until is not None and int(row[0]) > until:
            break
        if row[3] == "D":
            del edits_of[row[4]]
        else:
            edits_of.setdefault(row[4], []).append(row)
    return {path: _state(rows) for path, rows in edits_of.items()}


def _state(rows: list[list[str]]) -> FileState:
    moments = [datetime.strptime(row[1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for row in rows]
    return FileState(
        created_at=moments[0],
        updated_at=max(moments),
        edit_count=len(rows),
        commit_number=int(rows[-1][0]),
        author_number=int(rows[-1][2]),
    )


@contextmanager
def counted_events() -> Iterator[Counter[str]]:
    """Yield how many events each file has, by its key as text; counted by receivers of our own."""
    counts: Counter[str] = Counter()

    def count(event: Any, **kwargs: Any) -> None:
        counts[event.entity_id] += 1

    for signal in SIGNALS:
        signal.connect(count, sender=SourceFile)
    try:
        yield counts
    finally:
        for signal in SIGNALS:
            signal.disconnect(count, sender=SourceFile)


def stored(event_counts: Counter[str]) -> dict[str, FileState]:
    """Return each file as the database holds it, with its number of events as its edits."""
    return {
        file.path: FileState(
            created_at=file.created_at,
            updated_at=file.updated_at,
            edit_count=event_counts[str(file.pk)],
            commit_number=file.last_commit_number,
            author_number=file.last_author_number,
        )
        for file in SourceFile.objects.all()
    }


def write_tsv(folder: Path, *lines: str, name: str = "small.tsv") -> Path:
    """Write lines, in which blanks stand for tabs, and return the file."""
    path = folder / name
    path.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    return path


def replay(path: Path, **options: Any) -> str:
    """Run the command on a file and return what it printed."""
    output = io.StringIO()
    call_command("replay_history", tsv=path, stdout=output, stderr=io.StringIO(), **options)
    return output.getvalue()


def digest_of_paths() -> tuple[int, str]:
    paths = sorted(SourceFile.objects.values_list("path", flat=True))
    return len(paths), hashlib.sha256("\n".join(paths).encode()).hexdigest()


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


class GitRepository:
    """A repository that a test makes with git itself."""

    def __init__(self, path: Path) -> None:
        if shutil.which("git") is None:
            pytest.skip("git is not installed")
        self.path = path
        self.minute = itertools.count()
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git, a minute later than before, and return what it printed."""
        moment = f"2021-03-04T05:{next(self.minute):02}:00Z"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "first",
            "GIT_AUTHOR_EMAIL": "first@example.com",
            "GIT_COMMITTER_NAME": "first",
            "GIT_COMMITTER_EMAIL": "first@example.com",
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
        }
        completed = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        return completed.stdout

    def commit(self, message: str, *, author: str = "first", **contents: str | None) -> None:
        """Write or remove files, and commit all of it."""
        for name, content in contents.items():
            path = self.path / name.replace("__", "/")
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(content)
        self.git("add", "--all")
        person = f"{author} <{author}@example.com>"
        self.git("commit", "--quiet", "--allow-empty", f"--author={person}", f"--message={message}")

    def paths(self) -> set[str]:
        """Return git's own list of the files of ``HEAD``."""
        return set(self.git("ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")[:-1])


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "repository")


def replay_git(repository: GitRepository, **options: Any) -> str:
    output = io.StringIO()
    call_command("replay_history", git=repository.path, stdout=output, stderr=io.StringIO(), **options)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_git_repositorys_mainline_is_replayed(repository: GitRepository) -> None:
    repository.commit("one", first="1", folder__second="1")
    repository.commit("nothing")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("beside", author="second", third="1")
    repository.commit("beside again", author="second", third="2", fourth="1")
    repository.git("checkout", "--quiet", "main")
    repository.commit("two", first="2", folder__second=None)
    repository.git("merge", "--quiet", "--no-ff", "--message=merged", "side")
    (repository.path / "first").rename(repository.path / "a name – with blanks\tand more")
    repository.commit("renamed")
    with capture_events() as events:
        printed = replay_git(repository)

    assert "Replayed 8 edits of 4 commits (1 to 5) by 1 authors" in printed
    assert stored(Counter()).keys() == repository.paths()
    third = SourceFile.objects.get(path="third")
    assert (third.last_commit_number, third.change_count) == (4, 1)
    head = repository.git("rev-parse", "HEAD").strip()
    assert {event.reason for event in events if event.correlation_id == head} == {"commit 5"}
    moment = int(repository.git("log", "-1", "--format=%ct", "HEAD"))
    assert Repository.objects.get().updated_at == datetime.fromtimestamp(moment, tz=UTC)


@pytest.mark.django_db(transaction=True)
def test_a_git_replay_goes_on_where_it_stopped_and_finds_new_commits(
    repository: GitRepository,
) -> None:
    for number in range(4):
        repository.commit(f"commit {number}", author=f"author{number % 2}", a=str(number))
    replay_git(repository, limit=2)
    assert SourceFile.objects.get().last_commit_number == 2
    replay_git(repository)
    repository.commit("nothing")
    repository.commit("later", author="author1", a=None, b="1")
    assert "Replayed 2 edits of 1 commits (6 to 6)" in replay_git(repository)

    file = SourceFile.objects.get()
    assert (file.path, file.last_commit_number, file.last_author_number) == ("b", 6, 2)


@pytest.mark.django_db(transaction=True)
def test_a_rewritten_git_history_is_refused(repository: GitRepository) -> None:
    repository.commit("one", a="1")
    repository.commit("two", a="2")
    replay_git(repository)
    repository.git("commit", "--quiet", "--amend", "--allow-empty", "--message=two again")
    with pytest.raises(CommandError, match="no longer on the mainline"):
        replay_git(repository)


@pytest.mark.django_db(transaction=True)
def test_what_is_no_git_repository_is_refused(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    with pytest.raises(CommandError, match="git says: "):
        call_command("replay_history", git=tmp_path)
    empty = GitRepository(tmp_path / "empty")
    with pytest.raises(CommandError, match="git says: "):
        replay_git(empty)


def test_a_reader_may_stop_early_without_leaving_git_behind(repository: GitRepository) -> None:
    for number in range(3):
        repository.commit(f"commit {number}", a=str(number))
    commits = GitHistory(repository.path).commits()
    first: Commit = next(commits)
    commits.close()  # type: ignore[attr-defined]
    assert [edit.path for edit in first.edits] == ["a"]


class Ticks:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_pace_holds_a_replay_to_its_rate() -> None:
    clock = Ticks()
    pace = Pace(10, clock=clock, sleep=clock.sleep)
    pace.wait(5)
    assert clock.now == 0.5
    clock.now = 3.0
    pace.wait(20)
    assert clock.now == 3.0


def test_without_a_rate_nobody_waits() -> None:
    clock = Ticks()
    Pace(None, clock=clock, sleep=clock.sleep).wait(1_000_000)
    assert clock.now == 0.0


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_that_is_taken_off_at_the_end() -> None:
    clock, stream = Ticks(), Terminal()
    bar = ProgressBar(stream, last_commit_number=10, clock=clock)
    bar.show(1, 4)
    assert stream.getvalue() == ""
    clock.now = 2.0
    bar.show(5, 20)
    assert "50% commit 5 of 10, 20 edits, 10 a second" in stream.getvalue()
    bar.close()
    assert stream.getvalue().endswith(" \r")


def test_elsewhere_a_line_comes_every_few_seconds() -> None:
    clock, stream = Ticks(), io.StringIO()
    bar = ProgressBar(stream, last_commit_number=10, clock=clock)
    for second in range(1, 12):
        clock.now = float(second)
        bar.show(second, second)
    bar.close()
    assert stream.getvalue().splitlines() == [
        "commit 5 of 10, 5 edits, 1 a second",
        "commit 10 of 10, 10 edits, 1 a second",
    ]
