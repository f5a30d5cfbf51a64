"""
What git had at certain commits of the bundled history.

Each line of the file: the commit's number, its UTC time, how many files git had, and the SHA-256
over their sorted paths, joined by newlines without one at the end.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codebase.history.tsv import BUNDLED_HISTORY

BUNDLED_CHECKPOINTS = BUNDLED_HISTORY.with_name("celery_checkpoints.tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How many files there were after a commit, and the digest of their paths."""

    commit_number: int
    file_count: int
    digest: str

    def difference(self, paths: Iterable[str]) -> str:
        """Return in what way ``paths`` are not what git had; empty where they are."""
        found = sorted(paths)
        if len(found) != self.file_count:
            return f"{len(found)} files where git had {self.file_count}"
        if hashlib.sha256("\n".join(found).encode()).hexdigest() != self.digest:
            return f"other paths than git's {self.file_count}"
        return ""


def read_checkpoints(path: Path = BUNDLED_CHECKPOINTS) -> list[Checkpoint]:
    """Return the checkpoints of a file, in ascending order."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [
        Checkpoint(commit_number=int(number), file_count=int(count), digest=digest) for number, _, count, digest in rows
    ]
