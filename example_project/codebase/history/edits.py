"""What a history is made of, and what the readers of histories have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

ADDED = "A"
MODIFIED = "M"
DELETED = "D"
KINDS = frozenset({ADDED, MODIFIED, DELETED})


class HistoryError(Exception):
    """A history cannot be read, or is not the one that was replayed before."""


class Edit(NamedTuple):
    """One file of one commit: ``kind`` is ``A``, ``M`` or ``D``."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """
    One commit with its edits, in the order of the history.

    ``number`` counts the mainline's commits from 1; ``commit_id`` is git's own id, empty where the
    source has none; ``author_number`` counts authors in the order in which they first appear.
    """

    number: int
    commit_id: str
    committed_at: datetime
    author_number: int
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The last commit that was replayed."""

    number: int
    commit_id: str
    committed_at: datetime


class History(Protocol):
    """A source of commits, oldest first."""

    name: str
    last_commit_number: int

    def commits(self, after: Position | None = None) -> Iterator[Commit]:
        """
        Yield the commits that have edits, oldest first.

        Args:
            after: Where a replay stopped; None for all commits.

        Raises:
            HistoryError: The history cannot be read, or ``after`` is not part of it.
        """
        ...
