"""What git's edits have to be as events, and which entity stands for each path, which no event holds."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from codebase.history.checkpoints import Checkpoint
from codebase.history.edits import ADDED, DELETED, MODIFIED, Commit, Edit

_EVENT_TYPES = {ADDED: "timestamp_created", MODIFIED: "timestamp_updated", DELETED: "timestamp_deleted"}


class Told(NamedTuple):
    """What an event has to say of an edit."""

    event_type: str
    reason: str
    actor: str
    occurred_at: datetime


class FileEvent(Protocol):
    """An event of a file, or what was kept of one."""

    position: int | None
    entity_id: str
    event_type: str
    reason: str
    actor: str
    occurred_at: datetime


def told_by_git(commits: Iterable[Commit]) -> Iterator[tuple[Commit, Edit, Told]]:
    """Yield each edit with what its event has to say."""
    latest: dict[str, datetime] = {}
    for commit in commits:
        for edit in commit.edits:
            # A file's stamp never goes back, so an edit whose clock was behind has the time of the one before it.
            is_new = edit.kind == ADDED
            moment = commit.committed_at if is_new else max(commit.committed_at, latest[edit.path])
            latest[edit.path] = moment
            reason, actor = f"commit {commit.number}", f"author {commit.author_number}"
            yield commit, edit, Told(_EVENT_TYPES[edit.kind], reason, actor, moment)


def follow_paths(
    events: Iterable[FileEvent], commits: Sequence[Commit], checkpoints: Sequence[Checkpoint], *, where: str
) -> tuple[dict[str, str], list[str]]:
    """
    Pair the events of files with git's edits, both in order.

    Args:
        events: All there are.
        commits: The history's commits that were replayed.
        checkpoints: What git had after some of them.
        where: What the events were read from, for people.

    Returns:
        The key of the entity that stands for each path at the end, and a sentence for each thing that did not fit.
    """
    faults: list[str] = []
    ids: dict[str, str] = {}
    waiting = {each.commit_number: each for each in checkpoints}
    remaining = iter(events)
    for commit, edit, wanted in told_by_git(commits):
        event = next(remaining, None)
        if event is None:
            return ids, [*faults, f"{where} ends before commit {commit.number}"]
        faults += _follow_path(ids, edit, event, wanted)
        if edit is commit.edits[-1] and (difference := _difference(waiting.get(commit.number), ids)):
            faults.append(f"at commit {commit.number} {where} has {difference}")
    if left := list(remaining):
        faults.append(f"{where} has {len(left)} events of files after the last edit")
    return ids, faults


def _follow_path(ids: dict[str, str], edit: Edit, event: FileEvent, wanted: Told) -> list[str]:
    faults = []
    told = Told(event.event_type, event.reason, event.actor, event.occurred_at)
    if told != wanted:
        faults.append(
            f"event {event.position} says {_words(told)} where git's edit of {edit.path} says {_words(wanted)}"
        )
    entity_id = ids.setdefault(edit.path, event.entity_id)
    if entity_id != event.entity_id:
        faults.append(f"event {event.position} is of file {event.entity_id}, and {edit.path} is file {entity_id}")
    if edit.kind == DELETED:
        del ids[edit.path]
    return faults


def _difference(checkpoint: Checkpoint | None, paths: Iterable[str]) -> str:
    return checkpoint.difference(paths) if checkpoint else ""


def _words(told: Told) -> str:
    return f"{told.event_type} at {told.occurred_at} for {told.reason} by {told.actor}"
