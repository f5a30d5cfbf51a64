"""How the demo waits until everything is delivered, and what it says where that does not come."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import delivery
from demo.delivery import DeliveryError, report, undelivered, wait_until_nothing_lacks
from demo.worker import Worker
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.testing import drain_all
from tracker.models import Project

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def _no_handlers() -> Iterator[None]:
    """Let there be, instead of none, one that hears of projects."""
    with only_handlers("tracker.count_changes"):
        yield


def worker_of(folder: Path, program: str) -> Iterator[Worker]:
    log = folder / "worker.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    worker = Worker(process, log)
    yield worker
    worker.stop()


@pytest.fixture
def idle_worker(tmp_path: Path) -> Iterator[Worker]:
    """Return one that lives and does nothing."""
    yield from worker_of(tmp_path, "import time; time.sleep(600)")


@pytest.fixture
def dead_worker(tmp_path: Path) -> Iterator[Worker]:
    for worker in worker_of(tmp_path, "raise SystemExit(3)"):
        worker.process.wait()
        yield worker


@pytest.fixture
def project() -> Project:
    return Project.objects.create(name="Website", slug="website")


def test_an_empty_log_lacks_only_the_handlers_that_no_worker_knows_of() -> None:
    assert undelivered() == ["no worker knows of tracker.count_changes"]
    drain_all()
    assert undelivered() == []


def test_what_is_pending_is_missing(project: Project) -> None:
    drain_all()
    project.touch("reviewed")
    assert undelivered() == ["1 events or more have no position yet"]


def test_a_handler_that_has_not_heard_all_is_missing_something(project: Project) -> None:
    drain_all()
    project.touch("reviewed")
    changed_since()
    assert undelivered() == [
        "tracker.count_changes stands at position 1 with 1 to go, 0 to be retried, 0 waiting behind those and 0 dead"
    ]


def test_an_event_that_failed_is_missing(project: Project) -> None:
    @on_timestamp(name="tests.failing")
    def fail(event: object) -> None:
        raise ValueError("no")

    drain_all()
    (lack,) = undelivered()
    assert lack.startswith("tests.failing stands at position 1 with 0 to go, 1 to be retried")


def test_nothing_is_waited_for_where_nothing_is_missing(dead_worker: Worker) -> None:
    drain_all()
    assert wait_until_nothing_lacks(dead_worker) >= 0


def test_the_wait_ends_with_the_last_thing_that_was_missing(idle_worker: Worker, project: Project) -> None:
    looks = []

    def lacks() -> list[str]:
        looks.append(undelivered())
        if len(looks) == 3:
            drain_all()
        return looks[-1]

    wait_until_nothing_lacks(idle_worker, lacks)
    assert [bool(found) for found in looks] == [True, True, True, False]


def test_a_wait_in_which_something_moves_goes_on_however_long(
    idle_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(delivery.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + 40))
    monkeypatch.setattr(delivery.time, "monotonic", lambda: now[0])
    left = ["4 to go", "3 to go", "2 to go", "1 to go"]

    def lacks() -> list[str]:
        return [left.pop(0)] if left else []

    assert wait_until_nothing_lacks(idle_worker, lacks, patience=60) == 160


def test_a_wait_in_which_nothing_moves_says_what_is_missing(
    idle_worker: Worker, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LOOK_SECONDS", 0)
    with pytest.raises(DeliveryError) as caught:
        wait_until_nothing_lacks(idle_worker, patience=0.05)
    text = str(caught.value)
    assert text.startswith(
        "Not everything was delivered, and nothing has moved for 0.05 seconds:\n"
        "no worker knows of tracker.count_changes\n1 events or more have no position yet\n"
    )
    assert "manage.py timestamps_status says:\ndefault\n" in text
    assert text.endswith("line 98\nline 99")
    assert "line 84\n" not in text


def test_a_worker_that_has_ended_is_not_waited_for(dead_worker: Worker, project: Project) -> None:
    with pytest.raises(DeliveryError, match="the worker has ended with 3:"):
        wait_until_nothing_lacks(dead_worker)


def test_a_dead_event_is_not_waited_for(idle_worker: Worker, project: Project) -> None:
    @on_timestamp(name="tests.failing", max_attempts=1)
    def fail(event: object) -> None:
        raise ValueError("no")

    drain_all()
    assert ParkedEvent.objects.get().state == "dead"
    with pytest.raises(DeliveryError, match=r"an event is dead:\ntests\.failing .* and 1 dead"):
        wait_until_nothing_lacks(idle_worker)


def test_the_report_says_when_all_is_delivered_and_when_the_worker_ends(idle_worker: Worker) -> None:
    drain_all()
    said: list[str] = []

    def write(text: str) -> None:
        said.append(text)
        idle_worker.process.kill()

    report(idle_worker, write, threading.Event())
    assert said[0].startswith("The worker has delivered everything, 0.")
    assert said[1:] == [f"The worker has ended with -9; see {idle_worker.log}"]


def test_the_report_is_silent_of_a_worker_that_was_stopped(dead_worker: Worker, project: Project) -> None:
    is_stopping = threading.Event()
    said: list[str] = []
    report(dead_worker, said.append, is_stopping)
    assert said[0].startswith("Not everything was delivered, and the worker has ended with 3")
    is_stopping.set()
    report(dead_worker, said.append, is_stopping)
    assert len(said) == 1
