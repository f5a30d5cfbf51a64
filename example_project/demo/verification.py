"""A replay of the bundled history, held against git, against the history itself and against the feed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from codebase.history.checkpoints import Checkpoint, read_checkpoints
from codebase.history.edits import ADDED, DELETED, Commit
from codebase.history.replay import Replay
from codebase.history.report import ReplayReport
from codebase.history.tsv import TsvHistory
from codebase.models import SourceFile
from demo.feed import Stamps, read_feed
from demo.feed_verification import FeedFindings, verify_feed

FAULTS_SHOWN = 10


class VerificationError(Exception):
    """What was replayed is not what the history says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A replay that agrees with git, with the history and with the feed."""

    report: ReplayReport
    checkpoint_count: int
    file_count: int
    feed: FeedFindings

    def lines(self) -> list[str]:
        """Return what agrees as lines of text."""
        what = "created_at, updated_at, the number of changes and of events agree with their own edits"
        return [
            *self.report.lines(),
            f"{self.checkpoint_count} checkpoints agree with git.",
            f"{self.file_count:,} files: {what}.",
            *self.feed.lines(),
            "All of it agrees with the rows and with git, and every position and order is right.",
        ]


@dataclass(slots=True, kw_only=True)
class _Expected:
    created_at: datetime
    updated_at: datetime
    change_count: int = 1


def replay_and_verify(history: TsvHistory, *, now: datetime, last_commit_number: int | None = None) -> Verified:
    """
    Replay the history into an empty database, and return the report if everything agrees.

    At each checkpoint the paths are compared with git's; at the end each file's stamps, its number
    of changes and its number of events with the file's own edits. Then all of that is made anew from
    the feed alone, and compared with both.

    Args:
        history: The bundled history.
        now: When the replay begins; aware.
        last_commit_number: Where to stop; None for the end of the history.

    Raises:
        VerificationError: Something differs; the message says what.
    """
    replay = Replay(history, now=now)
    last = last_commit_number or history.last_commit_number
    checkpoints = [each for each in read_checkpoints() if each.commit_number <= last]
    for checkpoint in checkpoints:
        replay.run(until=checkpoint.commit_number)
        _compare_paths(checkpoint)
    report = replay.run(until=last)
    commits = [commit for commit in history.commits() if commit.number <= last]
    _compare_events(commits, report)
    expected = _expected_files(commits)
    file_count = _compare_files(dict(expected), replay.tally.by_entity)
    stamps = {path: Stamps(file.created_at, file.updated_at) for path, file in expected.items()}
    feed = verify_feed(read_feed(), commits, checkpoints, stamps)
    refuse("things differ in the feed", feed.faults)
    return Verified(report=report, checkpoint_count=len(checkpoints), file_count=file_count, feed=feed)


def refuse(what: str, faults: Sequence[str]) -> None:
    """
    Do nothing where there are no faults.

    Raises:
        VerificationError: There are; it names some of them.
    """
    if faults:
        raise VerificationError("\n".join([f"{len(faults)} {what}", *faults[:FAULTS_SHOWN]]))


def _compare_paths(checkpoint: Checkpoint) -> None:
    difference = checkpoint.difference(SourceFile.objects.values_list("path", flat=True))
    if difference:
        raise VerificationError(f"at commit {checkpoint.commit_number}: {difference}")


def _compare_events(commits: Iterable[Commit], report: ReplayReport) -> None:
    names = {"A": "timestamp_created", "M": "timestamp_updated", "D": "timestamp_deleted"}
    wanted = Counter(names[edit.kind] for commit in commits for edit in commit.edits)
    label = SourceFile._meta.label_lower
    found = Counter({kind: count for (entity, kind), count in report.event_counts.items() if entity == label})
    if found != wanted:
        raise VerificationError(f"the files' events are {dict(found)}, not {dict(wanted)}")


def _expected_files(commits: Iterable[Commit]) -> dict[str, _Expected]:
    expected: dict[str, _Expected] = {}
    for commit in commits:
        for kind, path in commit.edits:
            if kind == DELETED:
                del expected[path]
            elif kind == ADDED:
                when = commit.committed_at
                expected[path] = _Expected(created_at=when, updated_at=when)
            else:
                file = expected[path]
                file.updated_at = max(file.updated_at, commit.committed_at)
                file.change_count += 1
    return expected


def _compare_files(expected: dict[str, _Expected], event_counts: Counter[tuple[str, str]]) -> int:
    faults = []
    files = list(SourceFile.objects.all())
    for file in files:
        event_count = event_counts[SourceFile._meta.label_lower, str(file.pk)]
        found = (file.created_at, file.updated_at, file.change_count, event_count)
        each = expected.pop(file.path)
        wanted = (each.created_at, each.updated_at, each.change_count, each.change_count)
        if found != wanted:
            faults.append(f"{file.path}: {found} where its edits say {wanted}")
    refuse("files differ", faults)
    if expected:
        raise VerificationError(f"{len(expected)} files are missing")
    return len(files)
