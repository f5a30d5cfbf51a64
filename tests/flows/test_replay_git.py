"""The replay of a git repository's mainline, which a test makes with git itself."""

import io
import itertools
import os
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from codebase.history.edits import Commit
from codebase.history.git import GitHistory
from codebase.models import Repository, SourceFile
from django_clean_timestamps.testing import capture_events
from tests.flows.replaying import stored


class GitRepository:
    """A repository that a test makes with git itself."""

    def __init__(self, path: Path) -> None:
        if shutil.which("git") is None:
            pytest.skip("git is not installed")
        self.path = path
        self.minute = itertools.count()
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git, a minute later than before, and return what it printed."""
        moment = f"2021-03-04T05:{next(self.minute):02}:00Z"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "first",
            "GIT_AUTHOR_EMAIL": "first@example.com",
            "GIT_COMMITTER_NAME": "first",
            "GIT_COMMITTER_EMAIL": "first@example.com",
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
        }
        completed = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        return completed.stdout

    def commit(self, message: str, *, author: str = "first", **contents: str | None) -> None:
        """Write or remove files, and commit all of it."""
        for name, content in contents.items():
            path = self.path / name.replace("__", "/")
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(content)
        self.git("add", "--all")
        person = f"{author} <{author}@example.com>"
        self.git("commit", "--quiet", "--allow-empty", f"--author={person}", f"--message={message}")

    def paths(self) -> set[str]:
        """Return git's own list of the files of ``HEAD``."""
        return set(self.git("ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")[:-1])


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(tmp_path / "repository")


def replay_git(repository: GitRepository, **options: Any) -> str:
    output = io.StringIO()
    call_command("replay_history", git=repository.path, stdout=output, stderr=io.StringIO(), **options)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_git_repositorys_mainline_is_replayed(repository: GitRepository) -> None:
    repository.commit("one", first="1", folder__second="1")
    repository.commit("nothing")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("beside", author="second", third="1")
    repository.commit("beside again", author="second", third="2", fourth="1")
    repository.git("checkout", "--quiet", "main")
    repository.commit("two", first="2", folder__second=None)
    repository.git("merge", "--quiet", "--no-ff", "--message=merged", "side")
    (repository.path / "first").rename(repository.path / "a name – with blanks\tand more")
    repository.commit("renamed")
    with capture_events() as events:
        printed = replay_git(repository)

    assert "Replayed 8 edits of 4 commits (1 to 5) by 1 authors" in printed
    assert stored(Counter()).keys() == repository.paths()
    third = SourceFile.objects.get(path="third")
    assert (third.last_commit_number, third.change_count) == (4, 1)
    head = repository.git("rev-parse", "HEAD").strip()
    assert {event.reason for event in events if event.correlation_id == head} == {"commit 5"}
    moment = int(repository.git("log", "-1", "--format=%ct", "HEAD"))
    assert Repository.objects.get().updated_at == datetime.fromtimestamp(moment, tz=UTC)


@pytest.mark.django_db(transaction=True)
def test_a_git_replay_goes_on_where_it_stopped_and_finds_new_commits(
    repository: GitRepository,
) -> None:
    for number in range(4):
        repository.commit(f"commit {number}", author=f"author{number % 2}", a=str(number))
    replay_git(repository, limit=2)
    assert SourceFile.objects.get().last_commit_number == 2
    replay_git(repository)
    repository.commit("nothing")
    repository.commit("later", author="author1", a=None, b="1")
    assert "Replayed 2 edits of 1 commits (6 to 6)" in replay_git(repository)

    file = SourceFile.objects.get()
    assert (file.path, file.last_commit_number, file.last_author_number) == ("b", 6, 2)


@pytest.mark.django_db(transaction=True)
def test_a_rewritten_git_history_is_refused(repository: GitRepository) -> None:
    repository.commit("one", a="1")
    repository.commit("two", a="2")
    replay_git(repository)
    repository.git("commit", "--quiet", "--amend", "--allow-empty", "--message=two again")
    with pytest.raises(CommandError, match="no longer on the mainline"):
        replay_git(repository)


@pytest.mark.django_db(transaction=True)
def test_what_is_no_git_repository_is_refused(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    with pytest.raises(CommandError, match="git says: "):
        call_command("replay_history", git=tmp_path)
    empty = GitRepository(tmp_path / "empty")
    with pytest.raises(CommandError, match="git says: "):
        replay_git(empty)


def test_a_reader_may_stop_early_without_leaving_git_behind(repository: GitRepository) -> None:
    for number in range(3):
        repository.commit(f"commit {number}", a=str(number))
    commits = GitHistory(repository.path).commits()
    first: Commit = next(commits)
    commits.close()  # type: ignore[attr-defined]
    assert [edit.path for edit in first.edits] == ["a"]
