"""Read the code blocks of a page of documentation, and carry them out in a Django project of their own."""

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Fences of these languages must say what becomes of them; others (text, json, …) may.
RUNNABLE = {"bash", "console", "pycon", "python", "python-console", "sh", "shell"}
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<language>[\w+-]*)[^`]*$")
MARK = re.compile(r"^ *<!-- *(?P<kind>file|append|settings|run|illustration)(?: *: *(?P<argument>.*?))? *-->$")
SETTINGS_FILE = "project/settings.py"
FIRST_FILES = {
    "manage.py": """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
execute_from_command_line(sys.argv)
""",
    "project/__init__.py": "",
    "project/urls.py": """\
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("timestamps/", include("django_clean_timestamps.urls")),
]
""",
    SETTINGS_FILE: """\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_clean_timestamps",
    *sorted(path.parent.name for path in BASE_DIR.glob("*/__init__.py") if path.parent.name != "project"),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "project.urls"
SECRET_KEY = "documentation"
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
TIME_ZONE = "UTC"
USE_TZ = True
""",
}


class DocumentationError(AssertionError):
    """A block of a page is not marked as the convention asks, or did not do what the page says."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block: where its first line stands, and what its mark says is to be done with it."""

    page: str
    line: int
    language: str
    code: str
    kind: str
    argument: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def run_page(page: Path, *, name: str, directory: Path) -> None:
    """
    Carry out the blocks of a page, top to bottom, in a new Django project in ``directory``.

    Raises:
        DocumentationError: A block is not marked, or failed.
    """
    blocks = list(read_blocks(page.read_text(encoding="utf-8"), page=name))
    if not any(block.kind != "illustration" for block in blocks):
        return
    project = Project(directory)
    shell: list[Block] = []
    for block in blocks:
        if block.kind == "run":
            shell.append(block)
        elif block.kind != "illustration":
            # What is written or commanded in between ends the shell, as it does for a reader.
            project.run_shell(shell)
            shell = []
            project.carry_out(block)
    project.run_shell(shell)
    project.prepare()


def read_blocks(text: str, *, page: str) -> Iterator[Block]:
    """
    Yield the blocks that the convention is about, each with its mark.

    Raises:
        DocumentationError: A block that must be marked is not, or a fence or a mark is left over.
    """
    lines = text.splitlines()
    mark, number = None, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        fence = FENCE.match(line)
        if fence is None:
            if line.strip() and mark is not None:
                raise DocumentationError(f"{page}:{number}: the mark {mark.group().strip()} has no code block after it")
            mark = MARK.match(line) or mark
            continue
        first = number + 1
        body = []
        while number < len(lines) and lines[number].strip() != fence["ticks"]:
            body.append(lines[number].removeprefix(fence["indent"]))
            number += 1
        if number == len(lines):
            raise DocumentationError(f"{page}:{first - 1}: this code block has no end")
        number += 1
        code = "\n".join(body) + "\n"
        block = decide(mark, page=page, line=first, language=fence["language"], code=code)
        mark = None
        if block is not None:
            yield block


def decide(mark: re.Match[str] | None, *, page: str, line: int, language: str, code: str) -> Block | None:
    kind, argument = (mark["kind"], mark["argument"] or "") if mark else ("", "")
    if kind in {"file", "append", "illustration"} and not argument:
        raise DocumentationError(f"{page}:{line}: the mark '{kind}' needs a {'reason' if kind[0] == 'i' else 'path'}")
    if kind == "run" and language not in {"python", "pycon"}:
        raise DocumentationError(f"{page}:{line}: only python and pycon blocks can be run, not {language!r}")
    if not kind and language == "console":
        kind = "console"
    if not kind and language in RUNNABLE:
        raise DocumentationError(
            f"{page}:{line}: this {language} block says nothing about itself; put <!-- run -->, "
            "<!-- file: PATH -->, <!-- append: PATH -->, <!-- settings --> or <!-- illustration: REASON --> above it"
        )
    return Block(page=page, line=line, language=language, code=code, kind=kind, argument=argument) if kind else None


class Project:
    """A Django project on SQLite, in a directory of its own, that grows with its page."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.prepared = False
        for path, text in FIRST_FILES.items():
            self.write(path, text)

    def carry_out(self, block: Block) -> None:
        if block.kind == "console":
            self.run_console(block)
        elif block.kind == "settings":
            self.write(SETTINGS_FILE, (self.directory / SETTINGS_FILE).read_text() + "\n" + block.code)
        else:
            path = self.directory / block.argument
            if not path.resolve().is_relative_to(self.directory.resolve()):
                raise DocumentationError(f"{block.place}: {block.argument} lies outside the page's project")
            before = path.read_text() + "\n" if block.kind == "append" else ""
            self.write(block.argument, before + block.code)

    def write(self, path: str, text: str) -> None:
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".py":
            for package in target.relative_to(self.directory).parents:
                if package.name:
                    (self.directory / package / "__init__.py").touch()
        target.write_text(text, encoding="utf-8")
        self.prepared = False

    def run_console(self, block: Block) -> None:
        commands = [line[2:] for line in block.code.splitlines() if line.startswith("$ ")]
        if not commands:
            raise DocumentationError(f"{block.place}: a console block needs a line that begins with '$ '")
        for command in commands:
            if not command.startswith("python manage.py "):
                raise DocumentationError(
                    f"{block.place}: only 'python manage.py …' can be run here, not {command!r}; "
                    "put <!-- illustration: REASON --> above the block"
                )
            self.run("manage.py", *shlex.split(command, comments=True)[2:], place=block.place)

    def run_shell(self, blocks: list[Block]) -> None:
        """Run the blocks one after the other in one process and one namespace."""
        if not blocks:
            return
        self.prepare()
        parts = []
        for index, block in enumerate(blocks):
            path = self.directory / f".block{index}"
            path.write_text(block.code, encoding="utf-8")
            parts += [str(path), block.page, str(block.line), block.language]
        self.run(str(HERE / "documentation_shell.py"), *parts, place=blocks[0].place)

    def prepare(self) -> None:
        """Check the project, and bring its database up to its models, unless nothing was written since."""
        if self.prepared:
            return
        apps = [path.parent for path in self.directory.glob("*/models.py")]
        for app in apps:
            (app / "migrations").mkdir(exist_ok=True)
            (app / "migrations" / "__init__.py").touch()
        words = ["models"] if apps else []
        self.run(str(HERE / "documentation_prepare.py"), *words, place="the page's files and models")
        self.prepared = True

    def run(self, *arguments: str, place: str) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            # The package itself second, for where it is not installed.
            "PYTHONPATH": os.pathsep.join([str(self.directory), str(HERE.parents[1])]),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error::DeprecationWarning:__main__", *arguments],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            shown = " ".join(Path(argument).name for argument in arguments)
            raise DocumentationError(f"{place}: `{shown}` exited with {done.returncode}\n{done.stdout}{done.stderr}")
