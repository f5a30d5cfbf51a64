"""Why a handler has heard of an entity, or not yet, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import Any, Final

from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.outcomes import Fate, Outcome
from django_clean_timestamps.delivery.sending import task_id_of
from django_clean_timestamps.management.ages import in_words
from django_clean_timestamps.management.explaining.event_words import event_name, until
from django_clean_timestamps.management.explaining.story import HandlerStory, Story
from django_clean_timestamps.management.words import count_of, times

__all__ = ["handler_answers"]

State = ParkedEvent.State

ERROR_LENGTH: Final = 300

SUSPICIOUS_SECONDS: Final = 60.0
"""How long an event may wait before one asks whether a worker runs."""


def handler_answers(story: Story) -> Iterator[str]:
    """Yield for each handler whether it heard of the entity's newest event, and what else of it is parked."""
    deaf = [of for of in story.handlers if of.handler is not None and not _subscribes(of.handler, story)]
    if early := [of.name for of in story.handlers if of.heard and of.heard[0][1].fate is Fate.PENDING]:
        yield _pending(story, early)
    for of in story.handlers:
        if of not in deaf or of.parked:
            yield from _sentences(story, of)
    if len(story.handlers) == 1 and deaf and deaf[0].handler is not None:
        yield f"{deaf[0].name} does not subscribe to {story.entity.label}: it hears {_subscribed_to(deaf[0].handler)}."
    elif deaf:
        yield f"Not subscribed to {story.entity.label}: {', '.join(of.name for of in deaf)}."


def _pending(story: Story, names: list[str]) -> str:
    """Nobody has heard an event that has no position."""
    age = in_words((story.now - story.events[0].recorded_at).total_seconds())
    have = "has" if len(names) == 1 else "have"
    return (
        f"{', '.join(names)} {have} not heard the pending event yet: nobody has given it a position, for which it has "
        f"waited for {age}. A worker does that, or 'manage.py timestamps_relay'."
    )


def _subscribes(handler: Handler, story: Story) -> bool:
    return handler.labels is None or not set(story.labels).isdisjoint(handler.labels)


def _subscribed_to(handler: Handler) -> str:
    kinds = " and ".join(kind.event_type for kind in handler.event_types) or "everything"
    return kinds + ("" if handler.labels is None else f" of {', '.join(handler.labels)}")


def _sentences(story: Story, of: HandlerStory) -> Iterator[str]:
    told: set[int | None] = set()
    if of.handler is None:
        yield (
            f"{of.name} is gone from the code, and nobody calls it; 'manage.py timestamps_forget {of.name}' or "
            f"'manage.py timestamps_rename {of.name} NEW' settles that."
        )
    elif of.heard:
        event, outcome = of.heard[0]
        told = {outcome.parked_id}
        if outcome.fate is Fate.WAITING and (blocker := _blocker(of)) is not None:
            told.add(blocker.pk)
        if outcome.fate is not Fate.PENDING:
            yield f"{of.name} {_BY_FATE[outcome.fate](story, of, event_name(event), outcome)}"
    elif not of.parked:
        yield (
            f"{of.name} hears {_subscribed_to(of.handler)}, and "
            + ("none of these events is such a one." if story.events else "there is no event of it.")
        )
    for row in of.parked:
        if row.pk not in told and row.state != State.WAITING:
            yield f"{of.name} {_of_row(story, of, row)}"


# What became of the newest event that it hears, as what the handler did.


def _unborn(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    begins = "hears all that is retained" if of.handler and of.handler.replay else f"begins behind {name}"
    return (
        f"has not heard {name}: it has no subscription, since nothing was drained since it came into the code. With "
        f"'manage.py timestamps_relay' it {begins}."
    )


def _before(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    entity = f"{story.entity.label} {shlex.quote(story.entity_id)}"
    return (
        f"has not heard {name}: it began behind it, at position {of.start + 1:,}. 'manage.py timestamps_replay "
        f"{of.name} --entity {entity}' hands it over."
    )


def _due(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    told = f"has not heard {name} yet"
    if reason := _standing(story, of):
        return f"{told}: {reason}."
    lag = outcome.lag_count
    told += f": {count_of(lag, 'position')} {'comes' if lag == 1 else 'come'} first" if lag else ": it comes next"
    waits = of.subscription.lag_seconds if of.subscription is not None else None
    if waits is None or waits < SUSPICIOUS_SECONDS:
        return f"{told}."
    since = f"the first of them was recorded {in_words(waits)} ago" if lag else f"it was recorded {in_words(waits)} ago"
    return f"{told}, and {since}. Does a worker run, or 'manage.py timestamps_relay --watch'?"


def _delivered(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    return f"has heard {name}."


def _sent(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    event: Any = of.heard[0][0]
    task = "" if of.handler is None else f" with the id {task_id_of(of.handler, event)}"
    return f"was sent {name} as a task{task}; what became of that, Celery knows."


def _waiting(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    blocker = _blocker(of)
    if blocker is None:
        return f"has not heard {name} yet: it waits for its turn."
    return f"{_of_row(story, of, blocker).rstrip('.')}; {name} waits behind it."


def _dead(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    return (
        f"gave {name} up after {count_of(outcome.attempts, 'attempt')}{_error(outcome)}. 'manage.py timestamps_retry "
        f"{of.name} --event {outcome.parked_id}' tries it again."
    )


def _skipped(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    return f"is not to hear {name}{_error(outcome)}."


def _retry(story: Story, of: HandlerStory, name: str, outcome: Outcome) -> str:
    due, standing = until(outcome.available_at, story.now), _standing(story, of)
    if not outcome.attempts:
        # Handed over anew, or asked for more time itself.
        return f"has not heard {name} yet: {standing or f'it is to hear it {due}'}{_error(outcome)}."
    what = _error(outcome) or ", and ended its process"
    return f"failed on {name} {times(outcome.attempts)}{what}; {standing or f'next attempt {due}'}."


_BY_FATE: Final[dict[Fate, Callable[[Story, HandlerStory, str, Outcome], str]]] = {
    Fate.UNBORN: _unborn,
    Fate.BEFORE: _before,
    Fate.DUE: _due,
    Fate.DELIVERED: _delivered,
    Fate.SENT: _sent,
    Fate.RETRY: _retry,
    Fate.WAITING: _waiting,
    Fate.DEAD: _dead,
    Fate.SKIPPED: _skipped,
}


def _of_row(story: Story, of: HandlerStory, row: ParkedEvent) -> str:
    """Return what became of a parked event, as what the handler did."""
    outcome = Outcome(
        handler=of.name,
        fate=Fate(row.state),
        attempts=row.attempts,
        available_at=row.available_at,
        error=row.last_error,
        parked_id=row.pk,
    )
    return _BY_FATE[outcome.fate](story, of, f"#{row.position:,}", outcome)


def _blocker(of: HandlerStory) -> ParkedEvent | None:
    """Return the parked event that those which wait wait behind."""
    # A dead one holds its followers only where the handler says so, and then none of them is to be retried.
    holding = [row for state in (State.RETRY, State.DEAD) for row in of.parked if row.state == state]
    return holding[0] if holding else None


def _standing(story: Story, of: HandlerStory) -> str:
    """Return what keeps a subscription from going on, "" where nothing does but its turn."""
    shard = of.subscription
    if shard is None:
        return ""
    if shard.state == Subscription.State.PAUSED:
        return f"it is paused, and 'manage.py timestamps_resume {of.name}' lets it go on"
    if shard.state == Subscription.State.BACKING_OFF:
        failures, resumes = count_of(shard.failures, "failure"), until(shard.resume_at, story.now)
        return f"it backs off after {failures} in a row ({shard.problem}), and tries again {resumes}"
    if shard.problem:
        return f"it goes no further ({shard.problem})"
    if shard.owner and shard.lease_until is not None:
        if shard.lease_until > story.now:
            return f"a worker has it in hand, {shard.owner}"
        return f"the worker that had it, {shard.owner}, ended without a word, and the next drain goes on"
    return ""


def _error(outcome: Outcome) -> str:
    """Return the first line of an error, cut, after a colon; all of it is in the JSON."""
    line = outcome.error.partition("\n")[0]
    return f": {line[:ERROR_LENGTH]}{'…' if len(line) > ERROR_LENGTH else ''}" if line else ""
