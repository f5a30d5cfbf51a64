"""
``python -m benchmarks``: ours beside plain models, as ratios.

Without ``--database`` it runs on each database in turn, in a process of its own, and leaves out those that do not
answer. Nothing here fails because something was slow: it prints the target and whether it was met.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

VENDORS = ("sqlite", "postgresql", "mariadb")
ROUNDS, QUICK_ROUNDS, QUICK_DIVISOR = 15, 2, 20
UNREACHABLE = 3
"""The exit code of a run whose server does not answer."""


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if argv is None else argv)
    if options.database == "all":
        return run_on_each(options)
    with tempfile.TemporaryDirectory(prefix="clean_timestamps_bench_") as directory:
        os.environ["BENCHMARK_DATABASE"] = options.database
        os.environ["BENCHMARK_DIRECTORY"] = directory
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        if options.peers:
            os.environ["BENCHMARK_PEERS"] = "1"
        return run(options)


def parse(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside plain models, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a group, a benchmark, or both as group.benchmark")
    parser.add_argument("--database", choices=[*VENDORS, "all"], default="all", help="where (default: all)")
    parser.add_argument("--repeat", type=positive, metavar="N", help=f"rounds of each benchmark (default: {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="few rows and rounds: only shows that everything works")
    parser.add_argument("--cpu", action="store_true", help="time this process alone, for SQLite on a busy machine")
    parser.add_argument("--peers", action="store_true", help="other packages too, as far as they are installed")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="what to print (default: text)")
    return parser.parse_args(given)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def arguments(options: argparse.Namespace, vendor: str) -> list[str]:
    """Return the command's arguments for one database, as a reader would type them."""
    repeat = ["--repeat", str(options.repeat)] if options.repeat else []
    flags = [f"--{name}" for name in ("quick", "cpu", "peers") if getattr(options, name)]
    as_json = ["--format", "json"] if options.format == "json" else []
    return [*options.names, "--database", vendor, *repeat, *flags, *as_json]


def run_on_each(options: argparse.Namespace) -> int:
    """Run every database in a process of its own, so that none finds what another one warmed up."""
    as_json = options.format == "json"
    collected: list[Any] = []
    for vendor in VENDORS:
        command = [sys.executable, "-m", "benchmarks", *arguments(options, vendor)]
        done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE if as_json else None)
        if done.returncode not in (0, UNREACHABLE):
            return done.returncode
        if as_json and done.returncode == 0:
            collected += json.loads(done.stdout)
    if as_json:
        print(json.dumps(collected, indent=2))
    return 0


def run(options: argparse.Namespace) -> int:
    """Run on the one database that the environment names."""
    import django

    django.setup()
    from benchmarks import loading, memory, report, writes
    from benchmarks.database import UnreachableError, own_database
    from benchmarks.measuring import Plan

    every = [*writes.benchmarks(), *loading.benchmarks(), *memory.benchmarks()]
    if options.peers:
        from benchmarks.peers import comparison

        every += comparison.benchmarks()
    chosen = choose(every, options.names)
    plan = Plan(
        rounds=options.repeat or (QUICK_ROUNDS if options.quick else ROUNDS),
        divisor=QUICK_DIVISOR if options.quick else 1,
        clock=time.process_time if options.cpu else time.perf_counter,
    )
    try:
        with own_database():
            # Garbage collections should look at what the benchmarks make, not at all of Django.
            gc.collect()
            gc.freeze()
            command = ["python -m benchmarks", *arguments(options, options.database)]
            about = report.describe_run(" ".join(command), plan)
            measured = [(benchmark, measure_one(benchmark, plan)) for benchmark in chosen]
            if options.format == "json":
                print(json.dumps([report.as_values(about, measured)], indent=2))
            else:
                print(report.as_text(about, measured), end="\n\n", flush=True)
    except UnreachableError as error:
        print(f"{options.database} is left out, since it does not answer: {error}", file=sys.stderr)
        return UNREACHABLE
    return 0


def choose(every: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Return the benchmarks that the names mean, all of them where there are none."""
    meant = {name: [each for each in every if name in labels(each)] for name in names}
    unknown = [name for name, found in meant.items() if not found]
    if unknown:
        known = ", ".join(f"{each.group}.{each.name}" for each in every)
        raise SystemExit(f"No benchmark is called {', '.join(unknown)}; there are {known}")
    return [each for each in every if not names or any(each in found for found in meant.values())]


def labels(benchmark: Any) -> tuple[str, str, str]:
    return benchmark.group, benchmark.name, f"{benchmark.group}.{benchmark.name}"


def measure_one(benchmark: Any, plan: Any) -> Any:
    """Measure, and say meanwhile what is being measured where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{benchmark.group}.{benchmark.name}", end="", file=sys.stderr, flush=True)
    result = benchmark.measure(plan)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
