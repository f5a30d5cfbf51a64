"""
The replay of a history through the entities: one edit, one write.

A file that a commit adds is created with ``save()``, a modified one saved, a deleted one deleted
with ``delete()``, each at the commit's time and with the commit as the reason. The edits of one or
more whole commits, the touch of the repository and the note of how far the replay has come are one
transaction, so a replay that was stopped anywhere goes on with the first commit that is missing.

Three rules bend what a history says, and the report counts each use:

- *A file's stamp never goes back.* Mainlines hold commits whose clock was behind: such an edit
  stamps its file with the time of the file's last edit. Other files get the commit's time.
- *Nothing is stamped in the future.* A commit that claims to be younger than the replay counts as
  made when the replay began.
- *An edit that does not fit is made to fit.* A file that is added twice is changed the second
  time, a changed one that is not there is added, and the deletion of a missing one is left out.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice, takewhile

from django.db import DEFAULT_DB_ALIAS, IntegrityError, transaction
from django.utils.text import slugify

from codebase.history.edits import ADDED, DELETED, Commit, Edit, History, HistoryError, Position
from codebase.history.report import Adjustments, ReplayReport
from codebase.history.tally import EventTally
from codebase.models import ReplayProgress, Repository, SourceFile
from django_clean_timestamps.context import stamped_at, timestamp_context

# A transaction costs about as much as three edits, most of it the touch of the repository.
COMMITS_PER_TRANSACTION = 20


def repository_slug(history: History) -> str:
    """Return the slug of the repository that ``history`` is replayed into."""
    return slugify(history.name)[:100] or "repository"


def forget_replay(slug: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Delete the repository, its files and its progress, where it exists; one transaction."""
    with transaction.atomic(using=using), timestamp_context(reason="replay restarted"):
        for repository in Repository.objects.using(using).filter(slug=slug):
            repository.delete()


class Replay:
    """
    Brings a history into a repository, from where the last replay stopped.

    What it counts, it counts over all its runs. After a run that failed, make a new one.

    Args:
        history: The commits, oldest first.
        now: When the replay begins; aware. No stamp lies after it.
        using: The database.
        commits_per_transaction: Each transaction touches the repository once, for the reason of
            its last commit; more commits in one are faster.
    """

    def __init__(
        self,
        history: History,
        *,
        now: datetime,
        using: str = DEFAULT_DB_ALIAS,
        commits_per_transaction: int = COMMITS_PER_TRANSACTION,
    ) -> None:
        self.history = history
        self.now = now
        self.using = using
        self.commits_per_transaction = commits_per_transaction
        self._adjustments = Adjustments()
        self._author_numbers: set[int] = set()
        self._edit_count = self._commit_count = self._first_commit_number = 0
        self._seconds = 0.0
        self.tally = EventTally(Repository, SourceFile)
        self._load()

    def run(
        self,
        *,
        until: int | None = None,
        limit: int | None = None,
        after_transaction: Callable[[Commit, int], None] = lambda commit, edit_count: None,
    ) -> ReplayReport:
        """
        Replay what is still missing, and return what all runs of this replay did.

        Args:
            until: The number of the last commit to replay.
            limit: How many commits to replay at most.
            after_transaction: Called after each COMMIT with the last commit and the number of
                edits done by then.

        Raises:
            HistoryError: The history cannot be read, or another replay writes to the repository.
        """
        started = time.monotonic()
        commits: Iterable[Commit] = self.history.commits(self._position())
        if until is not None:
            commits = takewhile(lambda commit: commit.number <= until, commits)
        with self.tally:
            for batch in _batches(islice(commits, limit), self.commits_per_transaction):
                self._write(batch)
                after_transaction(batch[-1], self._edit_count)
        self._seconds += time.monotonic() - started
        return ReplayReport(
            repository_slug=repository_slug(self.history),
            first_commit_number=self._first_commit_number,
            last_commit_number=self._progress.commit_number if self._progress else 0,
            commit_count=self._commit_count,
            edit_count=self._edit_count,
            author_count=len(self._author_numbers),
            file_count=len(self._files),
            seconds=self._seconds,
            adjustments=self._adjustments,
            event_counts=self.tally.by_type,
        )

    def _load(self) -> None:
        slug = repository_slug(self.history)
        self._files: dict[str, SourceFile] = {}
        self._repository = Repository.objects.using(self.using).filter(slug=slug).first()
        self._progress = ReplayProgress.objects.using(self.using).filter(repository=self._repository).first()
        if self._repository is not None:
            for file in self._repository.files.using(self.using):
                file.repository = self._repository
                self._files[file.path] = file

    def _position(self) -> Position | None:
        progress = self._progress
        if progress is None or progress.committed_at is None:
            return None
        return Position(
            number=progress.commit_number,
            commit_id=progress.commit_id,
            committed_at=progress.committed_at,
        )

    def _write(self, batch: list[Commit]) -> None:
        with transaction.atomic(using=self.using):
            repository = self._repository or self._begin(batch[0])
            self._advance(repository, batch)
            for commit in batch:
                self._apply(commit, repository)

    def _begin(self, commit: Commit) -> Repository:
        repository = Repository(name=self.history.name[:100], slug=repository_slug(self.history))
        with (
            stamped_at(min(commit.committed_at, self.now)),
            timestamp_context(reason="replay began"),
        ):
            try:
                repository.save(using=self.using)
            except IntegrityError as error:
                raise HistoryError(f"{repository}: another replay has just begun; run one at a time") from error
        self._repository = repository
        return repository

    def _advance(self, repository: Repository, batch: list[Commit]) -> None:
        progresses = ReplayProgress.objects.using(self.using)
        if self._progress is None:
            self._progress = progresses.create(repository=repository)
        progress, last = self._progress, batch[-1]
        moved_on = {
            "commit_number": last.number,
            "commit_id": last.commit_id,
            "committed_at": last.committed_at,
            "commit_count": progress.commit_count + len(batch),
            "edit_count": progress.edit_count + sum(len(commit.edits) for commit in batch),
        }
        if not progresses.filter(pk=progress.pk, commit_number=progress.commit_number).update(**moved_on):
            raise HistoryError(
                f"{repository}: another replay has moved on from commit {progress.commit_number}; run one at a time"
            )
        for name, value in moved_on.items():
            setattr(progress, name, value)
        self._commit_count += len(batch)
        self._first_commit_number = self._first_commit_number or batch[0].number

    def _apply(self, commit: Commit, repository: Repository) -> None:
        when = min(commit.committed_at, self.now)
        self._adjustments.future_count += when is not commit.committed_at
        self._author_numbers.add(commit.author_number)
        with (
            stamped_at(when),
            timestamp_context(
                reason=f"commit {commit.number}",
                actor=f"author {commit.author_number}",
                correlation_id=commit.commit_id or f"commit-{commit.number}",
            ),
        ):
            for edit in commit.edits:
                file = self._files.get(edit.path)
                if file is not None and file.updated_at > when:
                    self._adjustments.held_back_count += 1
                    with stamped_at(file.updated_at):
                        self._apply_edit(edit, file, commit, repository)
                else:
                    self._apply_edit(edit, file, commit, repository)
        self._edit_count += len(commit.edits)

    def _apply_edit(self, edit: Edit, file: SourceFile | None, commit: Commit, repository: Repository) -> None:
        if edit.kind == DELETED:
            if file is None:
                self._adjustments.deleted_unseen_count += 1
            else:
                del self._files[edit.path]
                file.delete(using=self.using)
            return
        if file is None:
            self._adjustments.modified_unseen_count += edit.kind != ADDED
            file = self._files[edit.path] = SourceFile(repository=repository, path=edit.path)
        else:
            self._adjustments.added_twice_count += edit.kind == ADDED
            file.change_count += 1
        file.last_commit_number = commit.number
        file.last_author_number = commit.author_number
        file.save(using=self.using)


def _batches(commits: Iterable[Commit], size: int) -> Iterator[list[Commit]]:
    iterator = iter(commits)
    while batch := list(islice(iterator, size)):
        yield batch
