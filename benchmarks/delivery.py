"""
How many events a second one process brings to a handler.

Each effect is had in turn from a log that has positions already, from pending events, which have to be sequenced first
(this is from commit to effect), and by hand: what the handler does, in transactions of as many as a batch, without a
log and without an engine. What the effects are of is filled in by the database itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from benchmarks.database import empty, settle
from benchmarks.filling import empty_log, fill_events, fill_pending, set_head
from benchmarks.measuring import Benchmark, Plan, Result, Trial, in_turn, timed
from benchmarks.models import Effect
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending

COMMITTED, SEQUENCED, BY_HAND = "from commit", "from the log", "by hand"

ROUNDS = 5
"""No more unless asked for: one of them delivers as many events as all rounds of another benchmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """
    What is done with events.

    Attributes:
        name: As the report calls it.
        events: How many there are.
        handle: The handler.
        batch: Whether it takes a list.
        effects: How many rows are written for an event.
        target: The least that one process should do, of committed events a second.
    """

    name: str
    events: int
    handle: Callable[[Any], None]
    batch: bool
    effects: int
    target: int


def ignore(_given: Any) -> None:
    """Do nothing, with an event or a list of them: what is left is the engine."""


def create(event: Any) -> None:
    Effect.objects.create(entity_id=event.entity_id)


def bulk_create(events: Sequence[Any]) -> None:
    Effect.objects.bulk_create([Effect(entity_id=event.entity_id) for event in events])


HANDLINGS = (
    Handling(name="engine", events=30_000, handle=ignore, batch=False, effects=0, target=30_000),
    Handling(name="engine_in_batches", events=30_000, handle=ignore, batch=True, effects=0, target=30_000),
    Handling(name="bulk_create", events=20_000, handle=bulk_create, batch=True, effects=1, target=15_000),
    Handling(name="create", events=5_000, handle=create, batch=False, effects=1, target=3_000),
)


def benchmarks() -> list[Benchmark]:
    return [_benchmark(handling) for handling in HANDLINGS]


def _benchmark(handling: Handling) -> Benchmark:
    return Benchmark(group="delivery", name=handling.name, measure=lambda plan: measure(handling, plan))


def measure(handling: Handling, plan: Plan) -> Result:
    """Bring a backlog to one handler, and to it alone."""
    count = plan.rows(handling.events)
    trials = {COMMITTED: _trial(handling, count, plan, fill_pending), SEQUENCED: _trial(handling, count, plan, fill)}
    if handling.effects:
        trials[BY_HAND] = _trial_by_hand(handling, count, plan)
    with only_handlers():
        on_timestamp(name="bench.handler", batch=handling.batch)(handling.handle)
        seconds = in_turn(trials, rounds=plan.repeat or min(plan.rounds, ROUNDS))
    empty_all()
    return Result(
        rows=count,
        unit="per_second",
        samples={side: [count / value for value in values] for side, values in seconds.items()},
        subject=COMMITTED,
        baseline=None,
        target=handling.target,
    )


def fill(count: int) -> None:
    """Fill the log itself; the positions are given."""
    fill_events(count)
    set_head(count)


def empty_all() -> None:
    empty_log()
    empty(Subscription, ParkedEvent, Effect)


def settle_all() -> None:
    settle(Pending, Event, LogHead, Subscription, ParkedEvent, Effect)


def _trial(handling: Handling, count: int, plan: Plan, fill_in: Callable[[int], None]) -> Trial:
    def trial() -> float:
        empty_all()
        # Makes the subscription, at the beginning.
        drain()
        fill_in(count)
        settle_all()
        seconds = timed(drain, plan.clock)
        _check(handling, count)
        return seconds

    return trial


def _trial_by_hand(handling: Handling, count: int, plan: Plan) -> Trial:
    size = get_settings().batch_size

    def trial() -> float:
        empty_all()
        fill_events(count)
        given = list(Event.objects.only("entity_id").order_by("position"))
        settle_all()
        parts = [given[start : start + size] for start in range(0, count, size)]

        def run() -> None:
            for part in parts:
                with transaction.atomic():
                    for item in [part] if handling.batch else part:
                        handling.handle(item)

        return timed(run, plan.clock)

    return trial


def _check(handling: Handling, count: int) -> None:
    reached = Subscription.objects.get().cursor
    effects, expected = Effect.objects.count(), count * handling.effects
    parked = ParkedEvent.objects.count()
    if (reached, effects, parked) != (count, expected, 0):
        raise RuntimeError(
            f"Of {count} events the cursor passed {reached}, {parked} were parked, and there are {effects} effects "
            f"instead of {expected}"
        )
