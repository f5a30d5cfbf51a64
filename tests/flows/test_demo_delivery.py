"""The demo and its worker, as processes: what was started is stopped, whichever way the demo ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from demo import worker
from demo.worker import Worker

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"
# Long enough for the busiest machine; nothing waits so long where all is well.
PATIENCE_SECONDS = 180
COMMITS = 40

# A file, so that other processes can open it; the check on each database is in test_example.py.
pytestmark = pytest.mark.sqlite


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of an example that keeps everything in a folder, and its temporary files too."""
    inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    search_path = os.pathsep.join([str(EXAMPLE.parent), os.environ.get("PYTHONPATH", "")])
    told = {"EXAMPLE_DATA_DIR": str(folder), "TMPDIR": str(folder), "PYTHONPATH": search_path, "PYTHONUNBUFFERED": "1"}
    return inherited | told


UNWANTED = {"DJANGO_SETTINGS_MODULE", "EXAMPLE_DATABASE", "CELERY_BROKER_URL"}


def processes_in(folder: Path) -> dict[int, str]:
    """Return the processes whose environment names a folder, by their number, with what they were started as."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        # It may have ended just now, and what waits for its parent has no environment any more.
        with suppress(OSError):
            if str(folder).encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def wait_until_nothing_runs_in(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := processes_in(folder):
        if time.monotonic() > deadline:
            pytest.fail(f"there is still {left}")
        time.sleep(0.05)


def parent_of(number: int) -> int:
    # The name before it, in brackets, may hold anything.
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


class Demo:
    """
    A demo that serves.

    Args:
        folder: Where it keeps everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output.txt"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # A shell lets what it starts in the background ignore Ctrl-C, and so would all that is started from there; what
        # is handled here is not ignored by a child.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", "--port", str(port), "--limit", str(COMMITS)],
                cwd=EXAMPLE,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        signal.signal(signal.SIGINT, before)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return where the output has something, once it has."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(pattern, self.output.read_text())):
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no {pattern!r} in:\n{self.output.read_text()}")
            time.sleep(0.05)
        return found

    @property
    def workers(self) -> list[int]:
        return [number for number, name in processes_in(self.folder).items() if "demo.worker" in name]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Return a demo whose worker has delivered what was replayed."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc, to see which processes are left")
    demo = Demo(tmp_path)
    try:
        demo.wait_for(r"The worker has delivered everything, \d+\.\d seconds after it was started")
        yield demo
    finally:
        for number in processes_in(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        demo.process.wait()


def page(demo: Demo, path: str) -> str:
    address = demo.wait_for(r"http://127\.0\.0\.1:\d+")[0]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address + path, timeout=30) as response:
        return " ".join(re.sub(r"<[^>]+>", " ", response.read().decode()).split())


def wait_until_delivered(demo: Demo) -> None:
    """Wait for a moment at which nothing is on its way: the demo's own traffic goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "Everything is delivered." not in (text := page(demo, "/delivery/")):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)


def test_ctrl_c_ends_the_site_and_the_worker_and_leaves_nothing_running(demo: Demo) -> None:
    wait_until_delivered(demo)
    counted = re.search(r"(\d+) changes were counted", page(demo, "/"))
    assert counted
    assert int(counted[1]) >= 2
    # The worker and the beat in it.
    assert len(demo.workers) == 2
    # As a terminal does, which tells the whole group.
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(PATIENCE_SECONDS) == 0
    assert processes_in(demo.folder) == {}
    assert demo.output.read_text().rstrip().endswith("Stopping the worker.")
    assert "Warm shutdown" in (demo.folder / "worker.log").read_text()


def test_a_demo_that_is_told_to_end_in_another_way_stops_its_worker_too(demo: Demo) -> None:
    demo.process.terminate()
    assert demo.process.wait(PATIENCE_SECONDS) == 0
    assert processes_in(demo.folder) == {}


def test_the_worker_ends_by_itself_where_the_demo_was_killed(demo: Demo) -> None:
    assert len(demo.workers) == 2
    demo.process.kill()
    demo.process.wait()
    wait_until_nothing_runs_in(demo.folder)


def test_the_demo_says_that_its_worker_has_ended_and_goes_on(demo: Demo) -> None:
    (worker,) = (number for number in demo.workers if parent_of(number) == demo.process.pid)
    os.kill(worker, signal.SIGKILL)
    demo.wait_for(r"The worker has ended with -9; see .*worker\.log")
    assert "Projects" in page(demo, "/")
    demo.process.terminate()
    assert demo.process.wait(PATIENCE_SECONDS) == 0
    # Nor the beat, which the worker could not take along.
    assert processes_in(demo.folder) == {}


def check(folder: Path, program: str = "") -> subprocess.CompletedProcess[str]:
    start = ["-c", program] if program else ["manage.py"]
    completed = subprocess.run(
        [sys.executable, *start, "demo", "--check", "--limit", str(COMMITS)],
        cwd=EXAMPLE,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert processes_in(folder) == {}
    assert list(folder.iterdir()) == []
    return completed


def test_the_check_waits_for_the_worker_and_leaves_nothing(tmp_path: Path) -> None:
    completed = check(tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert "A Celery worker has delivered every event" in completed.stdout
    kept = re.search(r"kept ([\d,]+) changes of files, each once .* and every change of 3 projects", completed.stdout)
    assert kept
    assert f"Replayed {kept[1]} edits" in completed.stdout
    assert "the handlers hear what demo does" in completed.stdout


WITH_AN_ENTRY_LOST = """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from codebase.models import FileChange
from demo.management.commands import demo
whole = demo.verify_handlers
def verify_handlers(*arguments, **options):
    FileChange.objects.earliest("position").delete()
    return whole(*arguments, **options)
demo.verify_handlers = verify_handlers
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def test_the_check_fails_where_a_handler_has_lost_a_change_and_leaves_nothing(tmp_path: Path) -> None:
    completed = check(tmp_path, WITH_AN_ENTRY_LOST)
    assert completed.returncode == 1
    assert "changes that a handler kept differ" in completed.stderr
    assert "The demo works." not in completed.stdout


WITH_A_WORKER_THAT_CANNOT_START = """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from demo import worker
start = worker._start
worker._start = lambda log, environment: start(log, {**environment, "EXAMPLE_DATABASE": "nonsense"})
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def test_the_check_says_what_is_missing_and_why_where_the_worker_has_ended(tmp_path: Path) -> None:
    completed = check(tmp_path, WITH_A_WORKER_THAT_CANNOT_START)
    assert completed.returncode == 1
    text = completed.stderr
    assert "The delivery went wrong: Not everything was delivered, and the worker has ended with 1:" in text
    assert "no worker knows of codebase.keep_history" in text
    # What timestamps_status says, and the end of the worker's log.
    assert re.search(r"^ +head +\d", text, re.MULTILINE)
    assert text.rstrip().endswith(
        "EXAMPLE_DATABASE is 'nonsense'; it must be sqlite (the default), postgresql or mariadb"
    )


def test_a_worker_that_does_not_stop_is_killed_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.2)
    stubborn: subprocess.Popen[bytes] = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; sleep 600 & echo started; wait"],
        stdout=subprocess.PIPE,
        env={"FOLDER": str(tmp_path), "PATH": os.environ["PATH"]},
        start_new_session=True,
    )
    assert stubborn.stdout
    with stubborn.stdout as output:
        assert output.readline() == b"started\n"
    Worker(stubborn, tmp_path / "log").stop()
    assert stubborn.returncode == -signal.SIGKILL
    wait_until_nothing_runs_in(tmp_path)


def test_a_worker_without_a_demo_that_does_not_stop_kills_itself() -> None:
    program = (
        "import signal; from demo import worker; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "worker.STOP_SECONDS = 0.1; worker._end_with_the_demo()"
    )
    arguments: dict[str, Any] = {"cwd": EXAMPLE, "stdin": subprocess.DEVNULL, "start_new_session": True}
    assert subprocess.run([sys.executable, "-c", program], check=False, **arguments).returncode == -signal.SIGKILL
