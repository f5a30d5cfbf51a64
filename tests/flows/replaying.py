"""An oracle of histories of its own, what the database holds, and the command that replays them."""

import gzip
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command

from codebase.models import SourceFile
from django_clean_timestamps.signals import timestamp_created, timestamp_deleted, timestamp_updated

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
