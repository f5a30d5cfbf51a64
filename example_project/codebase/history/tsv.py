"""
Histories as tab-separated text, plain or gzipped.

One line an edit: the commit's number, its time (ISO 8601 with a zone), its author's number, ``A``,
``M`` or ``D``, and the path. Lines of one commit stand together, commits in ascending order.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO, NamedTuple, cast

from codebase.history.edits import KINDS, Commit, Edit, HistoryError, Position

BUNDLED_HISTORY = Path(__file__).resolve().parent.parent / "data" / "celery_history.tsv.gz"

_GZIP_MAGIC = b"\x1f\x8b"


class TsvHistory:
    """
    The commits of one file.

    The whole file is read once and checked here, so that a replay never stops halfway at a line
    that is wrong.

    Raises:
        HistoryError: The file cannot be read, has no edits, or a line is wrong; the error names
            the line.
    """

    def __init__(self, path: Path, *, name: str = "") -> None:
        self.path = path
        self.name = name or path.name.removesuffix(".gz").removesuffix(".tsv")
        self.last_commit_number = 0
        for commit in self._read():
            self.last_commit_number = commit.number
        if not self.last_commit_number:
            raise HistoryError(f"{path}: there are no edits in it")

    def commits(self, after: Position | None = None) -> Iterator[Commit]:
        """Yield the commits after ``after``, oldest first."""
        if after is None:
            yield from self._read()
            return
        was_found = False
        for commit in self._read():
            if commit.number > after.number:
                break
            if commit.number == after.number and commit.committed_at == after.committed_at:
                was_found = True
        if not was_found:
            raise HistoryError(
                f"{self.path}: commit {after.number} of {after.committed_at.isoformat()}, where the "
                "replay stopped, is not in it; replay it under another --name, or with --restart"
            )
        yield from (commit for commit in self._read() if commit.number > after.number)

    def _read(self) -> Iterator[Commit]:
        with _opened(self.path) as lines:
            for _, group in groupby(_rows(lines, self.path), key=attrgetter("number")):
                rows = list(group)
                yield Commit(
                    number=rows[0].number,
                    commit_id="",
                    committed_at=rows[0].committed_at,
                    author_number=rows[0].author_number,
                    edits=tuple(row.edit for row in rows),
                )


class _Row(NamedTuple):
    number: int
    committed_at: datetime
    author_number: int
    edit: Edit


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as raw:
            is_gzipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if is_gzipped:
                with gzip.open(raw) as lines:
                    yield cast(IO[bytes], lines)
            else:
                yield raw
    except (OSError, EOFError, zlib.error) as error:
        raise HistoryError(f"{path}: cannot be read: {error}") from error


def _rows(lines: IO[bytes], path: Path) -> Iterator[_Row]:
    last: _Row | None = None
    for line_number, line in enumerate(lines, start=1):
        try:
            row = _parsed(line, last)
        except ValueError as error:
            raise HistoryError(f"{path}, line {line_number}: {error}") from error
        yield row
        last = row


def _parsed(line: bytes, last: _Row | None) -> _Row:
    fields = line.decode().removesuffix("\n").split("\t")
    if len(fields) != 5:
        raise ValueError(f"{len(fields)} fields where 5 are wanted, separated by tabs")
    number = _count(fields[0], "commit number")
    author_number = _count(fields[2], "author number")
    kind, path = fields[3:]
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of A, M and D")
    if not path or "\0" in path:
        raise ValueError(f"{path!r} is no path")
    if last is None or number != last.number:
        if last is not None and number < last.number:
            raise ValueError(f"commit {number} comes after commit {last.number}")
        committed_at = _moment(fields[1])
    else:
        committed_at = last.committed_at
        if author_number != last.author_number or _moment(fields[1]) != committed_at:
            raise ValueError(f"commit {number} has another time or author in the line before")
    return _Row(number, committed_at, author_number, Edit(kind, path))


def _count(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:10]) < 2**31):
        raise ValueError(f"{text!r} is no {what}")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}") from error
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; UTC is written as a final Z")
    return moment.astimezone(UTC)
