"""
What a broker and a handler add to a write.

Each side saves in a process of its own, in turn: ``auto_now``; ours without a broker and a handler; ours with both,
while the broker answers, is not there, or was stopped after it had been connected to. No worker runs meanwhile. What is
judged is what the broker and the handler add, as a share of the ``auto_now`` save.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from benchmarks import processes
from benchmarks.database import empty
from benchmarks.measuring import AUTO_NOW, Benchmark, Plan, Result, Trial, in_turn, per_row
from benchmarks.models import AutoNow, Entity
from benchmarks.project.timestamp_handlers import EVERYTHING, HANDLER
from benchmarks.servers import Redis, free_port, started
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending

ALONE, UP, DOWN, SILENT = "no broker", "up", "down", "silent"
BESIDE = "with a broker"
"""What the judged side is called in each row of the report."""

ROUNDS = 31
"""Unless asked for: what is looked for is small."""

STOP_SECONDS = 15
TOGETHER, EACH = "save", "save_alone"
WRITES = {TOGETHER: (4, 100), EACH: (100, 1)}
"""How many transactions of how many saves."""

TARGETS = {TOGETHER: 0.05, EACH: 0.1}

_measured: dict[str, Mapping[str, list[float]]] = {}


def benchmarks() -> list[Benchmark]:
    return [_benchmark(write, broker) for write in WRITES for broker in (UP, DOWN, SILENT)]


def _benchmark(write: str, broker: str) -> Benchmark:
    def measure(plan: Plan) -> Result:
        # The brokers are measured beside each other, and all by the first of the group.
        if not _measured:
            _measured.update(_measure_all(plan))
        samples = _measured[write]
        transactions, rows = _size(write, plan)
        return Result(
            rows=transactions * rows,
            unit="us",
            samples={AUTO_NOW: samples[AUTO_NOW], ALONE: samples[ALONE], BESIDE: samples[broker]},
            subject=BESIDE,
            baseline=AUTO_NOW,
            without=ALONE,
            target=TARGETS[write],
        )

    return Benchmark(group="doorbell", name=f"{write}_{broker}", measure=measure)


def _size(write: str, plan: Plan) -> tuple[int, int]:
    transactions, rows = WRITES[write]
    return (transactions, plan.rows(rows)) if rows > 1 else (plan.rows(transactions), 1)


def _measure_all(plan: Plan) -> dict[str, Mapping[str, list[float]]]:
    measured = {}
    with _savers() as savers:
        for write in WRITES:
            transactions, rows = _size(write, plan)
            trials = {side: _trial(saver, side, transactions, rows, plan) for side, saver in savers.items()}
            seconds = in_turn(trials, rounds=plan.repeat or min(plan.rounds * 2 + 1, ROUNDS))
            measured[write] = per_row(seconds, transactions * rows)
    empty(AutoNow, Entity, Pending, Event, LogHead)
    return measured


@contextmanager
def _savers() -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """Start a process for each side, and stop one of the brokers."""
    with ExitStack() as stack:
        answering, silent = (stack.enter_context(started(Redis())) for _ in range(2))
        brokers = {
            AUTO_NOW: None,
            ALONE: None,
            UP: answering.url,
            DOWN: f"redis://127.0.0.1:{free_port()}/0",
            SILENT: silent.url,
        }
        # The server is thawed last, so that a process which waits for it can end.
        savers = {side: stack.enter_context(_saver(broker)) for side, broker in brokers.items()}
        silent.freeze()
        try:
            yield savers
        finally:
            silent.thaw()


@contextmanager
def _saver(broker: str | None) -> Iterator["subprocess.Popen[str]"]:
    more = {"BENCHMARK_BROKER_URL": broker or "", HANDLER: EVERYTHING if broker else ""}
    process = subprocess.Popen(
        processes.module("benchmarks.project.saver"),
        env=processes.environment(**more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _answer(process)
        yield process
    finally:
        # At the end of its input it ends.
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _trial(saver: "subprocess.Popen[str]", side: str, transactions: int, rows: int, plan: Plan) -> Trial:
    model = "AutoNow" if side == AUTO_NOW else "Entity"
    clock = "process_time" if plan.clock is time.process_time else "perf_counter"

    def trial() -> float:
        saver.stdin.write(f"{model} {transactions} {rows} {clock}\n")
        saver.stdin.flush()
        return float(_answer(saver))

    return trial


def _answer(saver: "subprocess.Popen[str]") -> str:
    line = saver.stdout.readline()
    if not line:
        raise RuntimeError(f"A saving process ended with {saver.wait()}")
    return line
