"""Row and event together or neither, whatever a program does and wherever it fails."""

import pytest
from django.db import connections

from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.unit_of_work import unit
from tests.eventlog.programs import WORDS, LogRun
from tests.tables import vacuum
from tests.testapp.models import Note, Project, Tag, Task
from tests.unit_of_work.programs import make_program

PROGRAM_COUNT = 120
PARTS = 4
WRITTEN = (Task, Project, Tag, Note, Pending, Event)


@pytest.fixture(autouse=True)
def vacuumed(committing):
    vacuum(*WRITTEN)


def run_program(seed, *, is_captured, using="default"):
    run = LogRun(using, is_captured=is_captured)
    try:
        run.run(make_program(seed, WORDS))
    except BaseException as error:
        error.add_note(f"program {seed}:\n" + "\n".join(run.trace))
        raise
    finally:
        with connections[using].cursor() as cursor:
            for model in WRITTEN:
                cursor.execute(f"DELETE FROM {model._meta.db_table}")


@pytest.mark.parametrize("is_captured", [False, True], ids=["nobody", "captured"])
@pytest.mark.parametrize("part", range(PARTS))
def test_rows_and_their_events_are_written_together_whatever_a_program_does(committing, monkeypatch, part, is_captured):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 3)
    for seed in range(part, PROGRAM_COUNT, PARTS):
        run_program(seed, is_captured=is_captured)


@pytest.mark.parametrize("is_captured", [False, True], ids=["nobody", "captured"])
def test_programs_hold_without_early_writes_too(committing, is_captured):
    for seed in range(1_000, 1_020):
        run_program(seed, is_captured=is_captured)
