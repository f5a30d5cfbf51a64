"""Writers that are killed."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from django_clean_timestamps.unit_of_work import unit
from tests.faults.points import arm, kill_this_process
from tests.faults.stories import story, writer_of
from tests.faults.stories.forks import in_a_fork


@story
def be_killed(points: list[str]) -> dict[str, int]:
    """Return how a process ended for each way of writing, with the fault at the points armed in it."""
    return {name: in_a_fork(lambda make=make: make(points)) for name, make in _deaths().items()}


def _deaths() -> dict[str, Callable[[list[str]], None]]:
    def way(name: str) -> Callable[[list[str]], None]:
        def die(points: list[str]) -> None:
            writer = writer_of()
            if name == "save_alone":
                writer.own = writer.any_shared()
            arm(*points)
            getattr(writer, name)()

        return die

    names = ("save_alone", "save_several", "update_flock", "update_flock_in_bulk", "upsert_flock", "create_in_bulk")
    return {
        **{name: way(name) for name in names},
        "save_and_update_flock": way("save_and_update_flock"),
        "early": _die_early,
    }


def _die_early(points: list[str]) -> None:
    """Die in a transaction whose events were in part written early."""
    unit.EARLY_WRITE_AT = 3
    writer = writer_of()
    arm(*points)
    writer.save_several()


@story
def be_killed_between_early_writes() -> int:
    """Return how a process ended that was killed with a thousand events written early and more to come."""

    def die() -> None:
        unit.EARLY_WRITE_AT = 100
        writer = writer_of()
        with transaction.atomic():
            for _ in range(200):
                writer.save_several()
            kill_this_process()

    return in_a_fork(die)
