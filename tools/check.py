"""
Run the project's checks and say at the end what ran and what was left out.

Without arguments all but the faults; else those named, in the order of ``STEPS``. A database server that does not
answer is left out with a line that says so; with ``CI=true`` that is a failure. The suites' coverage is measured
together, and must be complete where all three databases took part; other arguments go to pytest.
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
WORKERS = os.environ.get("PYTEST_WORKERS", "2")
# The tests start hundreds of processes, and without bytecode each compiles the package anew.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
MYSQL_PACKAGES = ("mysqlclient", "mariadb", "libmariadb", "perconaserverclient")


class Failed(Exception):
    """
    A check found something wrong.

    Args:
        message: What, on one line.
        output: What the program printed that found it.
    """

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class LeftOut(Exception):
    """A check could not run here, for the reason given."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    measure: bool
    pytest_arguments: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    name: str
    verdict: str
    detail: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"one of {', '.join(STEPS)}")
    arguments, rest = parser.parse_known_args()
    unknown = [step for step in arguments.steps if step not in STEPS]
    if unknown:
        parser.error(f"there is no step {unknown[0]!r}; the steps are {', '.join(STEPS)}")
    chosen = [step for step in STEPS if step in (arguments.steps or DEFAULT_STEPS)]
    options = Options(measure="coverage" in chosen, pytest_arguments=tuple(rest))
    if options.measure:
        forget_coverage()
    outcomes: list[Outcome] = []
    for step in chosen:
        outcomes.append(take(step, options, outcomes))
    summarise(outcomes)
    return 1 if any(outcome.verdict == "FAILED" for outcome in outcomes) else 0


def take(step: str, options: Options, outcomes: list[Outcome]) -> Outcome:
    started = time.monotonic()
    print(f"\n=== {step}", flush=True)
    verdict, detail = "passed", ""
    try:
        detail = STEPS[step](options, outcomes)
    except LeftOut as reason:
        verdict, detail = ("FAILED" if IN_CI else "left out"), str(reason)
    except Failed as reason:
        verdict, detail = "FAILED", str(reason)
    if verdict != "passed":
        print(f"{step}: {verdict}: {detail}{' (CI=true allows nothing to be left out)' if IN_CI else ''}", flush=True)
    return Outcome(name=step, verdict=verdict, detail=detail, seconds=time.monotonic() - started)


def summarise(outcomes: list[Outcome]) -> None:
    print("\n=== summary")
    for outcome in outcomes:
        line = f"  {outcome.verdict:<9} {outcome.name:<11} {outcome.seconds:6.1f} s  {outcome.detail}"
        print(line.rstrip())


def lint(options: Options, outcomes: list[Outcome]) -> str:
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")
    templates = tracked_templates()
    if templates:
        run("djade", "--check", "--target-version", "5.2", *templates)
    return f"{len(templates)} templates"


def types(options: Options, outcomes: list[Outcome]) -> str:
    run("mypy")
    return ""


def imports(options: Options, outcomes: list[Outcome]) -> str:
    run("lint-imports", "--no-cache")
    return ""


def migrations(options: Options, outcomes: list[Outcome]) -> str:
    check = ("makemigrations", "--check", "--dry-run")
    # By its label alone: the other apps of the tests have no migrations, or those of somebody else.
    run(
        "python",
        "-m",
        "django",
        *check,
        "clean_timestamps",
        environment={"DJANGO_SETTINGS_MODULE": "tests.typing.settings"},
    )
    run("python", "manage.py", *check, directory=ROOT / "example_project")
    return ""


def sqlite(options: Options, outcomes: list[Outcome]) -> str:
    return suite("sqlite", options)


def postgresql(options: Options, outcomes: list[Outcome]) -> str:
    require_server("PostgreSQL", "POSTGRES", 5432)
    return suite("postgresql", options)


def mariadb(options: Options, outcomes: list[Outcome]) -> str:
    require_mysqlclient()
    require_server("MariaDB", "MARIADB", 3306)
    return suite("mariadb", options)


def coverage(options: Options, outcomes: list[Outcome]) -> str:
    ran = {outcome.name for outcome in outcomes if outcome.verdict == "passed"}
    if not list(ROOT.glob(".coverage.*")):
        raise LeftOut("no suite was measured")
    run("coverage", "combine", "--quiet")
    if ran >= {"sqlite", "postgresql", "mariadb"}:
        run("coverage", "report", "--fail-under=100")
        return "100 %, branches included"
    run("coverage", "report")
    return "reported only: complete coverage is asked of the three databases together"


def faults(options: Options, outcomes: list[Outcome]) -> str:
    """
    Kill processes and private servers; these start and stop their own, in a temporary folder.

    Several pytests side by side take a part of the tests each, for they wait most of their time. These are not xdist's
    workers, which are killed on Ctrl-C with their servers still running. Whoever has words for pytest gets a single
    one: what they choose may all be in one part.
    """
    with suppress(LeftOut):
        # Without its driver the tests of MariaDB leave themselves out, and fail under CI=true.
        require_mysqlclient()
    command = ("python", "-m", "pytest", "-m", "faults", "tests/faults", "-s", *options.pytest_arguments)
    if options.pytest_arguments or WORKERS in {"0", "1"}:
        return run_tests(*command)
    parts = int(WORKERS) if WORKERS.isdecimal() else 2
    with ThreadPoolExecutor(parts) as pool:
        running = [
            pool.submit(run_tests, *command, environment={"FAULTS_PART": f"{part}/{parts}"})
            for part in range(1, parts + 1)
        ]
    failures = [str(failure) for each in running if isinstance(failure := each.exception(), Failed)]
    if failures:
        raise Failed("\n    ".join(failures))
    return "; ".join(each.result() for each in running)


def browser(options: Options, outcomes: list[Outcome]) -> str:
    """Look at the dashboard in the system's Chromium, and keep the pictures."""
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    if not (os.environ.get("BROWSER_CHROMIUM") or any(map(shutil.which, names))):
        raise LeftOut("there is no Chromium; install your system's package, or name one by BROWSER_CHROMIUM")
    workers = () if WORKERS == "0" else ("-n", WORKERS)
    django = importlib.metadata.version("django")
    pictures = os.environ.get("BROWSER_SCREENSHOTS", str(ROOT / "build" / "screenshots" / f"django-{django}"))
    return run_tests(
        *("python", "-m", "pytest", *workers, "-m", "browser", "tests/browser", *options.pytest_arguments),
        environment={"BROWSER_SCREENSHOTS": pictures},
    )


STEPS: dict[str, Callable[[Options, list[Outcome]], str]] = {
    "lint": lint,
    "types": types,
    "imports": imports,
    "migrations": migrations,
    "sqlite": sqlite,
    "postgresql": postgresql,
    "mariadb": mariadb,
    "coverage": coverage,
    "faults": faults,
    "browser": browser,
}
DEFAULT_STEPS = tuple(step for step in STEPS if step not in ("faults", "browser"))


def suite(database: str, options: Options) -> str:
    measured = ("coverage", "run", "-m") if options.measure else ("python", "-m")
    workers = () if WORKERS == "0" else ("-n", WORKERS)
    # The plugins that pytest loads by entry point are ours too: coverage must start before pytest does.
    command = (*measured, "pytest", *workers, *options.pytest_arguments)
    return run_tests(*command, environment={"TEST_DATABASE": database})


def run_tests(program: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run tests, and return how many passed; the names of those that did not are in what is raised."""
    try:
        output = run(program, *arguments, environment=environment)
    except Failed as failure:
        found = re.findall(r"^(?:FAILED|ERROR) (\S+)", failure.output, re.MULTILINE)
        raise Failed("\n    ".join([str(failure), *found])) from failure
    counts = re.findall(r"^=*\s*(\d+ (?:passed|failed|skipped|deselected|error).*?)\s*=*$", output, re.MULTILINE)
    return counts[-1] if counts else "no tests"


def require_server(title: str, prefix: str, default_port: int) -> None:
    host = os.environ.get(f"{prefix}_HOST", "127.0.0.1")
    port = int(os.environ.get(f"{prefix}_PORT", default_port))
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        raise LeftOut(
            f"{title} does not answer at {host}:{port} ({error}); set {prefix}_HOST, {prefix}_PORT"
        ) from error


def require_mysqlclient() -> None:
    """Install mysqlclient where it can be built, which `.[dev]` cannot ask for: it has no wheels for Linux."""
    if importlib.util.find_spec("MySQLdb"):
        return
    if not mysql_headers_found():
        raise LeftOut(
            "mysqlclient cannot be built without MariaDB's headers; install libmariadb-dev and pkg-config "
            "(Debian, Ubuntu), mariadb-connector-c-devel (Fedora) or mariadb-connector-c and pkg-config (Homebrew)"
        )
    try:
        run("python", "-m", "pip", "install", "--quiet", "--editable", ".[mysql]")
    except Failed as failure:
        raise LeftOut("mysqlclient did not build; it needs a C compiler and Python's headers (see above)") from failure


def mysql_headers_found() -> bool:
    if os.environ.get("MYSQLCLIENT_CFLAGS") and os.environ.get("MYSQLCLIENT_LDFLAGS"):
        return True
    # mysqlclient asks pkg-config and nobody else, so mariadb_config alone would not do.
    if shutil.which("pkg-config") is None:
        return False
    return any(subprocess.run(["pkg-config", "--exists", name], check=False).returncode == 0 for name in MYSQL_PACKAGES)


def tracked_templates() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT))
        for top in ("django_clean_timestamps", "example_project", "tests")
        for path in (ROOT / top).rglob("templates/**/*.html")
    )


def forget_coverage() -> None:
    for path in [ROOT / ".coverage", *ROOT.glob(".coverage.*")]:
        path.unlink(missing_ok=True)


def run(program: str, *arguments: str, directory: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """Run a program of this environment, show and return what it prints."""
    command = [sys.executable if program == "python" else str(BIN / program), *arguments]
    print("$", " ".join([program, *arguments]), flush=True)
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    if process.wait():
        raise Failed(f"{' '.join([program, *arguments[:3]])} exited with {process.returncode}", "".join(lines))
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
