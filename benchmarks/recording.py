"""
What recording metrics adds to a write: the same write with ``METRICS`` on and off, in turn.

The queue is folded within what is timed, as the thread would do it at its leisure, so the whole cost is there.
"""

from collections.abc import Callable

from benchmarks.database import empty
from benchmarks.measuring import Benchmark, Plan, Result, Trial, in_turn, per_row
from benchmarks.models import Entity
from benchmarks.writes import ONE_BY_ONE, Write, _in_one_transaction
from django_clean_timestamps import probes
from django_clean_timestamps.eventlog.writer import LogWriter
from django_clean_timestamps.metrics.recorder import Recorder
from django_clean_timestamps.unit_of_work import attach_writer, get_writer

ON, OFF = "on", "off"
TARGETS = {"save": 1.03}

ROUNDS = 31
"""Unless asked for: what is looked for is small."""


def benchmarks() -> list[Benchmark]:
    return [
        Benchmark(group="recording", name=write.name, measure=lambda plan, write=write: _measure(write, plan))  # type: ignore[misc]
        for write in ONE_BY_ONE
    ]


def _measure(write: Write, plan: Plan) -> Result:
    rows = plan.rows(write.rows)
    former_writer, former_recorder = get_writer(), probes.recorder
    trials = {side: _trial(write, rows, plan.clock, records=side == ON) for side in (OFF, ON)}
    rounds = plan.rounds if plan.repeat or plan.divisor > 1 else ROUNDS
    try:
        seconds = in_turn(trials, rounds=rounds)
    finally:
        attach_writer(former_writer)
        probes.connect(former_recorder)
    return Result(
        rows=rows,
        unit="us",
        samples=per_row(seconds, rows),
        subject=ON,
        baseline=OFF,
        target=TARGETS.get(write.name),
    )


def _trial(write: Write, rows: int, clock: Callable[[], float], *, records: bool) -> Trial:
    def trial() -> float:
        empty(Entity)
        attach_writer(None)
        probes.connect(None)
        given = write.prepare(Entity, rows)
        attach_writer(LogWriter())
        recorder = Recorder(lambda: None)
        if records:
            probes.connect(recorder)

        def run(model: type[Entity], prepared: object) -> None:
            write.run(model, prepared)
            if records:
                recorder.fold()

        return _in_one_transaction(
            Write(name=write.name, rows=rows, prepare=write.prepare, run=run), Entity, given, clock
        )

    return trial
