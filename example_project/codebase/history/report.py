"""What a replay did."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Adjustments:
    """How often each of the replay's rules bent what the history says."""

    held_back_count: int = 0
    future_count: int = 0
    added_twice_count: int = 0
    modified_unseen_count: int = 0
    deleted_unseen_count: int = 0

    def sentences(self) -> list[str]:
        """Return one sentence for each rule that was used."""
        told = (
            (self.held_back_count, "edits were older than their file's last one and got its time"),
            (self.future_count, "commits lay in the future and got the time of the replay's start"),
            (self.added_twice_count, "additions of files that were there became changes"),
            (self.modified_unseen_count, "changes of files that were not there became additions"),
            (self.deleted_unseen_count, "deletions of files that were not there were left out"),
        )
        return [f"{count:,} {sentence}" for count, sentence in told if count]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """
    The sum of one run.

    ``event_counts`` maps (entity type, event type) to how many events were sent. ``file_count`` is
    how many files there are at the end, whoever added them.
    """

    repository_slug: str
    first_commit_number: int
    last_commit_number: int
    commit_count: int
    edit_count: int
    author_count: int
    file_count: int
    seconds: float
    adjustments: Adjustments
    event_counts: Mapping[tuple[str, str], int] = field(default_factory=Counter)

    @property
    def edits_per_second(self) -> float:
        """The mean speed of the run, 0 where nothing was done."""
        return self.edit_count / self.seconds if self.edit_count and self.seconds else 0.0

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        if not self.commit_count:
            place = f"{self.repository_slug} stands at commit {self.last_commit_number:,}"
            return [f"Nothing new: {place} with {self.file_count:,} files."]
        commits = f"{self.commit_count:,} commits ({self.first_commit_number:,} to {self.last_commit_number:,})"
        speed = f"{self.seconds:.1f} s: {self.edits_per_second:,.0f} edits a second"
        lines = [
            f"Replayed {self.edit_count:,} edits of {commits} by {self.author_count:,} authors in {speed}.",
            f"{self.repository_slug} has {self.file_count:,} files now.",
            f"{sum(self.event_counts.values()):,} domain events:",
        ]
        for (entity_type, event_type), count in sorted(self.event_counts.items()):
            lines.append(f"  {entity_type:<22} {event_type:<18} {count:>7,}")
        return lines + self.adjustments.sentences()
