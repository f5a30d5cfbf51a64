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
SERVED = ("latency", "throughput", "doorbell", "worker")
"""The groups that start a broker and processes of a project; only where they are named, and by themselves."""

ON_SITE = ("dashboard",)
"""Those that need the admin's site, whose settings are others; also by themselves, and only where they are named."""

ON_POSTGRESQL = ("latency", "throughput")
"""Those that are measured there alone, since a peer knows no other database."""

ROUNDS, QUICK_ROUNDS, QUICK_DIVISOR = 15, 2, 20
SMALLEST, ROWS = 10_000, 1_000_000
UNREACHABLE = 3
"""The exit code of a run whose server does not answer."""


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if argv is None else argv)
    if options.database == "all":
        return run_on_each(options)
    with tempfile.TemporaryDirectory(prefix="clean_timestamps_bench_") as directory:
        os.environ["BENCHMARK_DATABASE"] = options.database
        os.environ["BENCHMARK_DIRECTORY"] = directory
        os.environ["DJANGO_SETTINGS_MODULE"] = settings_for(options)
        if options.peers:
            os.environ["BENCHMARK_PEERS"] = "1"
        return run(options)


def parse(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside plain models, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a group, a benchmark, or both as group.benchmark")
    parser.add_argument("--database", choices=[*VENDORS, "all"], default="all", help="where (default: all)")
    parser.add_argument("--repeat", type=positive, metavar="N", help=f"rounds of each benchmark (default: {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="few rows and rounds: only shows that everything works")
    parser.add_argument(
        "--rows",
        type=more_than_the_smallest,
        metavar="N",
        default=ROWS,
        help=f"the largest log of growth and dashboard (default: {ROWS}; 10000000 takes minutes and 15 GB of disk)",
    )
    parser.add_argument("--cpu", action="store_true", help="time this process alone, for SQLite on a busy machine")
    parser.add_argument("--peers", action="store_true", help="other packages too, as far as they are installed")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="what to print (default: text)")
    options = parser.parse_args(given)
    groups = groups_of(options)
    if is_served(options) and not groups <= set(SERVED):
        parser.error(f"{', '.join(SERVED)} start processes of another project: name them without others")
    if is_on_site(options) and not groups <= set(ON_SITE):
        parser.error(f"{', '.join(ON_SITE)} has settings of its own: name it without others")
    if groups & set(ON_POSTGRESQL) and options.database not in ("all", "postgresql"):
        parser.error(f"{' and '.join(ON_POSTGRESQL)} are measured on PostgreSQL alone")
    return options


def groups_of(options: argparse.Namespace) -> set[str]:
    """Return the groups that are named, and whatever else is."""
    return {name.partition(".")[0] for name in options.names}


def is_served(options: argparse.Namespace) -> bool:
    return bool(groups_of(options) & set(SERVED))


def is_on_site(options: argparse.Namespace) -> bool:
    return bool(groups_of(options) & set(ON_SITE))


def settings_for(options: argparse.Namespace) -> str:
    if is_served(options):
        return "benchmarks.project.settings"
    return "benchmarks.admin_settings" if is_on_site(options) else "benchmarks.settings"


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def more_than_the_smallest(text: str) -> int:
    number = int(text)
    if number <= SMALLEST:
        raise argparse.ArgumentTypeError(f"must be more than {SMALLEST}, not {number}")
    return number


def arguments(options: argparse.Namespace, vendor: str) -> list[str]:
    """Return the command's arguments for one database, as a reader would type them."""
    repeat = ["--repeat", str(options.repeat)] if options.repeat else []
    rows = ["--rows", str(options.rows)] if options.rows != ROWS else []
    flags = [f"--{name}" for name in ("quick", "cpu", "peers") if getattr(options, name)]
    as_json = ["--format", "json"] if options.format == "json" else []
    return [*options.names, "--database", vendor, *repeat, *rows, *flags, *as_json]


def run_on_each(options: argparse.Namespace) -> int:
    """Run every database in a process of its own, so that none finds what another one warmed up."""
    as_json = options.format == "json"
    collected: list[Any] = []
    for vendor in ["postgresql"] if groups_of(options) & set(ON_POSTGRESQL) else VENDORS:
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
    from benchmarks import report
    from benchmarks.database import UnreachableError, own_database
    from benchmarks.measuring import Plan
    from benchmarks.servers import NotStartedError
    from django_clean_timestamps.unit_of_work import attach_writer

    chosen = choose(known_to(options), options.names)
    plan = Plan(
        rounds=options.repeat or (QUICK_ROUNDS if options.quick else ROUNDS),
        repeat=options.repeat,
        divisor=QUICK_DIVISOR if options.quick else 1,
        largest=options.rows,
        clock=time.process_time if options.cpu else time.perf_counter,
    )
    try:
        with own_database():
            # The entity is measured alone; what measures the log attaches its writer.
            attach_writer(None)
            # Garbage collections should look at what the benchmarks make, not at all of Django.
            gc.collect()
            gc.freeze()
            command = ["python -m benchmarks", *arguments(options, options.database)]
            about = report.describe_run(" ".join(command), plan)
            if is_served(options):
                about |= about_served()
            measured = [(benchmark, measure_one(benchmark, plan)) for benchmark in chosen]
            if options.format == "json":
                print(json.dumps([report.as_values(about, measured)], indent=2))
            else:
                print(report.as_text(about, measured), end="\n\n", flush=True)
    except UnreachableError as error:
        print(f"{options.database} is left out, since it does not answer: {error}", file=sys.stderr)
        return UNREACHABLE
    except NotStartedError as error:
        print(f"{options.database} is left out: {error}", file=sys.stderr)
        return UNREACHABLE
    return 0


def known_to(options: argparse.Namespace) -> list[Any]:
    """Return the benchmarks that these settings can run."""
    if is_served(options):
        return served()
    return on_site() if is_on_site(options) else in_process(with_peers=options.peers)


def in_process(*, with_peers: bool) -> list[Any]:
    """Return the benchmarks that run in this process."""
    from benchmarks import delivery, feed, growth, loading, log, memory, recording, sequencing, sketch, writes

    every = [*writes.benchmarks(), *loading.benchmarks(), *memory.benchmarks()]
    every += [*log.benchmarks(), *sequencing.benchmarks(), *feed.benchmarks(), *delivery.benchmarks()]
    every += [*growth.benchmarks(), *recording.benchmarks(), *sketch.benchmarks()]
    if with_peers:
        from benchmarks.peers import comparison

        every += comparison.benchmarks()
    return every


def served() -> list[Any]:
    """Return those that run in processes of their own, with a broker."""
    from benchmarks import doorbell, latency, worker

    return [*latency.benchmarks(), *doorbell.benchmarks(), *worker.benchmarks()]


def on_site() -> list[Any]:
    """Return those that ask the admin's site."""
    from benchmarks import dashboard

    return dashboard.benchmarks()


def about_served() -> dict[str, str]:
    """Return what a reader must know of them besides."""
    from benchmarks.servers import describe_programs

    return {
        "programs": describe_programs(),
        "method": "sides in turn, each with processes of its own and nothing of the others running but idle "
        "connections; medians of the rounds, and their range",
    }


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
