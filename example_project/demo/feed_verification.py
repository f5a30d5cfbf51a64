"""What the feed tells, held against the rows and against git."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from codebase.history.checkpoints import Checkpoint
from codebase.history.edits import Commit
from codebase.models import SourceFile
from demo.edits import follow_paths
from demo.feed import FeedReading, Key, Rebuilding, Stamps
from tracker.activity import ACTIVITY_MODELS

_FILE_LABEL = SourceFile._meta.label_lower


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFindings:
    """What was compared, and a sentence for each difference."""

    event_count: int
    page_count: int
    seconds: float
    entity_count: int
    file_count: int
    deleted_file_count: int
    faults: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the findings as lines of text, without the faults."""
        speed = f"{self.event_count / self.seconds:,.0f} events a second" if self.seconds else "no time at all"
        read = f"{self.event_count:,} events in {self.page_count:,} pages in {self.seconds:.2f} s: {speed}"
        files = f"{self.file_count:,} files that exist and {self.deleted_file_count:,} that were deleted"
        return [
            f"The feed: {read}, their positions given meanwhile.",
            f"Rebuilt from the feed alone: {files}, {self.entity_count:,} entities in all.",
        ]


def verify_feed(
    reading: FeedReading, commits: Sequence[Commit], checkpoints: Sequence[Checkpoint], expected: dict[str, Stamps]
) -> FeedFindings:
    """
    Rebuild the entities from the feed alone, and compare them with the rows and with git.

    The log must hold one whole replay and nothing else of files. Its file events are paired with git's edits in order,
    so that they have the paths, which no event holds, from git and not from the rows.

    Args:
        reading: The whole feed.
        commits: The history's commits that were replayed.
        checkpoints: What git had after some of them.
        expected: What git says of each path at the end.
    """
    rebuilding = Rebuilding()
    rebuilding.apply_all(reading.events)
    file_events = [event for event in reading.events if event.entity_type == _FILE_LABEL]
    paths, path_faults = follow_paths(file_events, commits, checkpoints, where="the feed")
    rebuilt = rebuilding.of(_FILE_LABEL)
    by_path = {path: rebuilt.get(entity_id) for path, entity_id in paths.items()}
    gap = reading.gap()
    faults = [
        *([gap] if gap else []),
        *rebuilding.faults,
        *path_faults,
        *_differences("git", expected, by_path),
        *_differences("the rows", _rows(), rebuilding.stamps),
    ]
    return FeedFindings(
        event_count=len(reading.events),
        page_count=reading.page_count,
        seconds=reading.seconds,
        entity_count=len(rebuilding.stamps),
        file_count=len(rebuilt),
        deleted_file_count=len({event.entity_id for event in file_events} - rebuilt.keys()),
        faults=tuple(faults),
    )


def _rows() -> dict[Key, Stamps]:
    return {
        Key(label, str(key)): Stamps(*stamps)
        for label in ACTIVITY_MODELS
        for key, *stamps in apps.get_model(label)._default_manager.values_list("pk", "created_at", "updated_at")
    }


def _differences(whose: str, wanted: Mapping[Any, Stamps], found: Mapping[Any, Stamps | None]) -> Iterator[str]:
    for key in wanted.keys() | found.keys():
        if wanted.get(key) != found.get(key):
            yield f"{key}: {found.get(key)} from the feed, {wanted.get(key)} from {whose}"
