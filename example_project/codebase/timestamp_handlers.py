"""What hears of the files' events: their history and statistics, kept in one transaction with the handler's cursor."""

from collections import Counter, defaultdict

from django.db.models import F, Value
from django.db.models.functions import Greatest

from codebase.models import FileChange, Repository, RepositoryStatistics, SourceFile
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.events import TimestampEvent


# A list of up to BATCH_SIZE events costs a handful of statements; one by one, they would cost as many each.
@on_timestamp(sender=SourceFile, batch=True, replay="all")
def keep_history(events: list[TimestampEvent]) -> None:
    """Keep each event of a file, and count it for its repository in the year in which it occurred."""
    changes = _new_changes(events)
    FileChange.objects.bulk_create(changes)
    changes_of: dict[tuple[int, int], list[FileChange]] = defaultdict(list)
    for change in changes:
        changes_of[change.repository_id, change.occurred_at.year].append(change)
    for (repository_id, year), of_year in changes_of.items():
        _count(repository_id, year, of_year)


def _new_changes(events: list[TimestampEvent]) -> list[FileChange]:
    # A replay lets a handler hear events again, and what was kept before must not be counted twice. Events of one file
    # come in order, those of a repository's many files need not: a failed one comes later. So it goes by the ids.
    known = set(FileChange.objects.filter(pk__in=[event.event_id for event in events]).values_list("pk", flat=True))
    new = [event for event in events if event.event_id not in known]
    repository_ids = _repository_ids(new)
    # A repository that is gone by now has no history any more.
    there = set(Repository.objects.filter(pk__in=set(repository_ids.values())).values_list("pk", flat=True))
    return [
        FileChange(repository_id=key, **{name: getattr(event, name) for name in FileChange.COPIED})
        for event in new
        if (key := repository_ids.get(event.entity_id)) in there
    ]


def _repository_ids(events: list[TimestampEvent]) -> dict[str, int]:
    """Return whose each file is, by its key as text."""
    ids = {event.entity_id: event.metadata["repository"] for event in events if "repository" in event.metadata}
    # QuerySet.update() and delete() have no instance to name it; then what was kept before knows it, or the row does.
    unnamed = {event.entity_id for event in events} - ids.keys()
    if unnamed:
        ids |= dict(FileChange.objects.filter(entity_id__in=unnamed).values_list("entity_id", "repository_id"))
        files = SourceFile.objects.filter(pk__in=unnamed).values_list("pk", "repository_id")
        ids |= {str(key): repository_id for key, repository_id in files}
    return ids


def _count(repository_id: int, year: int, changes: list[FileChange]) -> None:
    counts = Counter(change.event_type for change in changes)
    latest = max(change.occurred_at for change in changes)
    statistics, _ = RepositoryStatistics.objects.get_or_create(
        repository_id=repository_id, year=year, defaults={"last_changed_at": latest}
    )
    # By the database, from what the row says now: with shards= several workers may count for one repository.
    RepositoryStatistics.objects.filter(pk=statistics.pk).update(
        created_count=F("created_count") + counts["timestamp_created"],
        updated_count=F("updated_count") + counts["timestamp_updated"],
        deleted_count=F("deleted_count") + counts["timestamp_deleted"],
        last_changed_at=Greatest("last_changed_at", Value(latest)),
    )
