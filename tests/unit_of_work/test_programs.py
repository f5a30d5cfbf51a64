import pytest
from django.db import connections

from django_clean_timestamps.unit_of_work import unit
from tests.tables import vacuum
from tests.testapp.models import Note
from tests.unit_of_work.programs import Run, make_program
from tests.unit_of_work.written import WrittenEvent

PROGRAM_COUNT = 320
PARTS = 8


@pytest.fixture(autouse=True)
def vacuumed(writer):
    vacuum(Note, WrittenEvent)


def run_program(seed, using, writer):
    run = Run(using, writer)
    try:
        run.run(make_program(seed))
    except BaseException as error:
        error.add_note(f"program {seed}:\n" + "\n".join(run.trace))
        raise
    finally:
        writer.failure = None
        Note.objects.using(using)._raw_delete(using)
        WrittenEvent.objects.using(using).all().delete()


@pytest.mark.parametrize("part", range(PARTS))
def test_rows_and_their_events_are_written_together_whatever_a_program_does(part, writer, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 3)
    for seed in range(part, PROGRAM_COUNT, PARTS):
        run_program(seed, "default", writer)


def test_programs_hold_without_early_writes_too(writer):
    for seed in range(1_000, 1_040):
        run_program(seed, "default", writer)


def test_programs_hold_with_an_engine_of_the_projects_own(writer, engine_alias, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 3)
    for seed in range(2_000, 2_040):
        run_program(seed, engine_alias, writer)
    assert "commit" not in connections[engine_alias].__dict__
