"""
The mainline of a local git repository.

The mainline is what ``git log --first-parent`` shows: a merge is one commit whose edits are all
that it brought in. Renames are a deletion and an addition. Nothing in the repository is changed.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from codebase.history.edits import ADDED, DELETED, MODIFIED, Commit, Edit, HistoryError, Position

# A change of type, say from a file to a symbolic link, is a modification.
_KINDS = {"A": ADDED, "M": MODIFIED, "T": MODIFIED, "D": DELETED}
_CHUNK_BYTES = 1 << 16
# Marks a commit's line in git's output; a status letter never begins with it.
_MARK = "\x01"
_MAINLINE = ("log", "--first-parent", "--reverse", "--no-show-signature")


class GitHistory:
    """
    The commits from the first to ``HEAD``.

    Raises:
        HistoryError: git is missing, ``path`` is no repository, or it has no commits.
    """

    def __init__(self, path: Path, *, name: str = "") -> None:
        self.path = path
        self.name = name or path.resolve().name.removesuffix(".git")
        self._author_numbers: dict[str, int] = {}
        self.last_commit_number = 0
        for email in self._output(*_MAINLINE, "--format=%aE").splitlines():
            self._author_numbers.setdefault(email, len(self._author_numbers) + 1)
            self.last_commit_number += 1

    def commits(self, after: Position | None = None) -> Iterator[Commit]:
        """Yield the commits that have edits and come after ``after``, oldest first."""
        number = after.number if after else 0
        expected_parent = after.commit_id if after else ""
        for found in self._log(f"{expected_parent}..HEAD" if expected_parent else "HEAD"):
            if expected_parent and found.parent != expected_parent:
                raise HistoryError(
                    f"{self.path}: commit {expected_parent}, where the replay stopped, is no "
                    "longer on the mainline; replay it under another --name, or with --restart"
                )
            expected_parent = ""
            number += 1
            if found.edits:
                yield Commit(
                    number=number,
                    commit_id=found.commit_id,
                    committed_at=found.committed_at,
                    author_number=self._author_numbers[found.email],
                    edits=tuple(found.edits),
                )

    def _log(self, revisions: str) -> Iterator["_Found"]:
        tokens = self._tokens(
            "-c",
            "log.showRoot=true",
            *_MAINLINE,
            # Before git 2.31, a merge shows no edits without it.
            "-m",
            "--no-renames",
            "--name-status",
            "-z",
            "--format=%x01%H%x09%P%x09%ct%x09%aE",
            revisions,
            "--",
        )
        found: _Found | None = None
        for raw_token in tokens:
            token = raw_token.removeprefix("\n")
            if token.startswith(_MARK):
                if found is not None:
                    yield found
                found = _found(token)
            elif found is not None and token:
                found.edits.append(Edit(_KINDS.get(token, MODIFIED), next(tokens)))
        if found is not None:
            yield found

    def _tokens(self, *arguments: str) -> Iterator[str]:
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(self._command(*arguments), stdout=subprocess.PIPE, stderr=errors) as process,
        ):
            assert process.stdout is not None
            try:
                for token in _split(process.stdout):
                    # Bytes that are no UTF-8 are kept readable: no database stores them as text.
                    yield token.decode(errors="backslashreplace")
            except GeneratorExit:
                process.kill()
                raise
            if process.wait():
                errors.seek(0)
                raise HistoryError(_message(self.path, errors.read()))

    def _output(self, *arguments: str) -> str:
        try:
            completed = subprocess.run(self._command(*arguments), capture_output=True, check=True)
        except FileNotFoundError as error:
            raise HistoryError("git is not installed, or not on the PATH") from error
        except subprocess.CalledProcessError as error:
            raise HistoryError(_message(self.path, error.stderr)) from error
        return completed.stdout.decode(errors="backslashreplace")

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "--no-pager", "-C", str(self.path), *arguments]


class _Found(NamedTuple):
    commit_id: str
    parent: str
    committed_at: datetime
    email: str
    edits: list[Edit]


def _found(token: str) -> _Found:
    commit_id, parents, seconds, email = token.removeprefix(_MARK).split("\t", 3)
    committed_at = datetime.fromtimestamp(int(seconds), tz=UTC)
    return _Found(commit_id, parents.partition(" ")[0], committed_at, email, [])


def _split(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        *tokens, rest = (rest + chunk).split(b"\0")
        yield from tokens
    if rest:
        yield rest


def _message(path: Path, errors: bytes) -> str:
    return f"{path}: git says: {errors.decode(errors='replace').strip()}"
