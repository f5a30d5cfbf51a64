"""What the handlers have kept, held against git and against the feed."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codebase.history.checkpoints import Checkpoint, read_checkpoints
from codebase.history.edits import Commit
from codebase.history.tsv import TsvHistory
from codebase.models import FileChange, Repository, RepositoryStatistics
from demo.edits import follow_paths, told_by_git
from demo.feed import read_feed
from demo.verification import refuse
from django_clean_timestamps.events import TimestampEvent
from tracker.models import Project, ProjectStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFindings:
    """What agrees."""

    change_count: int
    year_count: int
    project_count: int

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        kept = f"{self.change_count:,} changes of files, each once and in git's order"
        counted = f"{self.year_count} years of them as git does, and every change of {self.project_count} projects"
        return [f"The handlers kept {kept}, and counted {counted}."]


def verify_handlers(history: TsvHistory, *, last_commit_number: int | None = None) -> HandlerFindings:
    """
    Compare what the handlers have kept with git's edits and with the feed; everything must have been delivered.

    Args:
        history: What was replayed.
        last_commit_number: How far; None for all of it.

    Raises:
        VerificationError: Something differs; the message says what.
    """
    last = last_commit_number or history.last_commit_number
    commits = [commit for commit in history.commits() if commit.number <= last]
    checkpoints = [each for each in read_checkpoints() if each.commit_number <= last]
    refuse("changes that a handler kept differ", _of_changes(commits, checkpoints))
    refuse("years that a handler counted differ", list(_of_years(commits)))
    refuse("projects that a handler counted differ", list(_of_projects(read_feed().events)))
    return HandlerFindings(
        change_count=FileChange.objects.count(),
        year_count=RepositoryStatistics.objects.count(),
        project_count=ProjectStatistics.objects.count(),
    )


def _of_changes(commits: Sequence[Commit], checkpoints: Sequence[Checkpoint]) -> list[str]:
    changes = FileChange.objects.order_by("position")
    ids, faults = follow_paths(changes, commits, checkpoints, where="the history that a handler kept")
    there = {str(key): path for key, path in Repository.objects.get().files.values_list("pk", "path")}
    if {entity_id: path for path, entity_id in ids.items()} != there:
        faults.append("the history that a handler kept ends with other files than there are")
    return faults


def _of_years(commits: Sequence[Commit]) -> Iterator[str]:
    repository = Repository.objects.get()
    wanted = Counter((told.occurred_at.year, told.event_type) for _, _, told in told_by_git(commits))
    latest: dict[int, object] = {}
    for _, _, told in told_by_git(commits):
        year = told.occurred_at.year
        latest[year] = max(told.occurred_at, latest.get(year, told.occurred_at))
    rows = {row.year: row for row in RepositoryStatistics.objects.filter(repository=repository)}
    for year in sorted(latest.keys() | rows.keys()):
        kinds = ("timestamp_created", "timestamp_updated", "timestamp_deleted")
        from_git = (*(wanted[year, kind] for kind in kinds), latest.get(year))
        row = rows.get(year)
        found = row and (row.created_count, row.updated_count, row.deleted_count, row.last_changed_at)
        if found != from_git:
            yield f"{repository} in {year}: {found} counted by a handler, {from_git} by git"


def _of_projects(events: Sequence[TimestampEvent]) -> Iterator[str]:
    events_of: dict[str, list[TimestampEvent]] = defaultdict(list)
    for event in events:
        if event.entity_type == Project._meta.label_lower:
            events_of[event.entity_id].append(event)
    rows = {str(row.pk): row for row in ProjectStatistics.objects.all()}
    for key in sorted(events_of.keys() | rows.keys()):
        told, row = events_of[key], rows.get(key)
        last = told[-1] if told else None
        wanted = last and (len(told), last.position, last.occurred_at, last.reason, last.actor)
        found = row and (row.change_count, row.position, row.last_changed_at, row.last_reason, row.last_actor)
        if found != wanted:
            yield f"project {key}: {found} kept by a handler, {wanted} in the feed"
