"""How the deliveries of one log stand, and what is to be said of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.places import aliases_of_log
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import SubscriptionStatus, read_subscriptions
from django_clean_timestamps.eventlog.status import LogStatus
from django_clean_timestamps.management.ages import in_words
from django_clean_timestamps.management.handler_places import Databases
from django_clean_timestamps.management.log_command import ExitCode
from django_clean_timestamps.management.words import count_of

__all__ = ["Deliveries", "Finding", "read_deliveries"]

State = Subscription.State

STALLED_AFTER: Final = timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    Something to be said of the deliveries.

    Attributes:
        text: In words, with the way out.
        code: What it means for the exit code.
    """

    text: str
    code: ExitCode


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """
    How the deliveries of one log stand.

    Attributes:
        subscriptions: By handler and slot.
        unborn: The handlers that hear the log and have no subscription yet.
        findings: What is to be said of them.
    """

    subscriptions: tuple[SubscriptionStatus, ...] = ()
    unborn: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def dead_count(self) -> int:
        """How many events are dead."""
        return sum(each.dead_count for each in self.subscriptions)

    @property
    def code(self) -> ExitCode:
        """The greatest exit code of the findings."""
        return max((finding.code for finding in self.findings), default=ExitCode.WELL)


def read_deliveries(log: LogStatus, databases: Databases) -> Deliveries:
    """
    Return how the deliveries of a log stand; changes nothing.

    Args:
        log: How the log stands.
        databases: Where subscriptions can be.

    Raises:
        Error: A database cannot be reached.
    """
    subscriptions = tuple(read_subscriptions(log.using, databases.aliases))
    there = {(each.handler, each.using) for each in subscriptions}
    unborn = (
        ()
        if log.using in databases.read_only
        else tuple(
            name
            for name, handler in sorted(get_handlers().items())
            if handler.hears_log(log.using) and (name, handler.alias_for(log.using)) not in there
        )
    )
    findings = (
        *_of_databases(log.using, databases),
        *(
            finding
            for _, shards in groupby(subscriptions, key=lambda each: (each.handler, each.using))
            for finding in _of_handler(log, list(shards))
        ),
        *_of_unborn(unborn),
    )
    return Deliveries(subscriptions=subscriptions, unborn=unborn, findings=findings)


def _of_unborn(names: Sequence[str]) -> Iterator[Finding]:
    if names:
        yield _well(
            f"Not drained yet since they came into the code: {', '.join(names)}. Each begins at its first drain, by a "
            "worker or 'manage.py timestamps_relay'."
        )


def _of_databases(log_alias: str, databases: Databases) -> Iterator[Finding]:
    for alias in aliases_of_log(log_alias):
        if alias in databases.failed:
            text = f"The subscriptions in {alias!r} could not be read: {databases.failed[alias]}"
            yield Finding(text=text, code=ExitCode.UNKNOWN)
        elif alias not in {*databases.aliases, *databases.read_only} and (writers := _writers(log_alias, alias)):
            yield _wrong(
                f"The tables of delivery are missing in {alias!r}, which {', '.join(writers)} would have a "
                f"subscription in. Run 'manage.py migrate clean_timestamps --database {alias}'."
            )


def _writers(log_alias: str, alias: str) -> list[str]:
    return [
        name
        for name, handler in sorted(get_handlers().items())
        if handler.hears_log(log_alias) and handler.alias_for(log_alias) == alias
    ]


def _of_handler(log: LogStatus, shards: Sequence[SubscriptionStatus]) -> Iterator[Finding]:
    name, using = shards[0].handler, shards[0].using
    declared = get_handlers().get(name)
    if declared is None:
        yield _wrong(
            f"{name} is gone from the code and keeps {_held(log, shards)}. Run 'manage.py "
            f"timestamps_forget {name}' if it is gone for good, or 'manage.py timestamps_rename {name} NEW' if it goes "
            "by another name now."
        )
    elif not declared.hears_log(log.using) or declared.alias_for(log.using) != using:
        yield _wrong(
            f"{name} has no use for its subscription in {using!r} any more: it "
            + (f"writes to {declared.using!r}" if declared.hears_log(log.using) else "hears nothing of this log")
            + f". Nobody moves it, and it keeps {_held(log, shards)}. Run 'manage.py "
            f"timestamps_forget {name} --force --database {log.using}'; where it still hears the log it begins anew at "
            f"the head, and 'manage.py timestamps_replay {name} --from POSITION' lets it hear what it missed."
        )
    yield from _of_division(name, shards)
    yield from _of_failures(name, shards)
    if _is_stalled(shards):
        yield _wrong(
            f"{name} is {_behind(shards)}, and nobody has moved it for a day. Is a worker running, or 'manage.py "
            "timestamps_relay --watch'?"
        )


def _of_division(name: str, shards: Sequence[SubscriptionStatus]) -> Iterator[Finding]:
    first = shards[0]
    if first.shards_wanted is not None:
        yield _well(f"{name} is on its way from {count_of(len(shards), 'shard')} to {first.shards_wanted}.")
    elif first.shards_declared not in (None, len(shards)):
        yield _well(
            f"{name} asks for {count_of(first.shards_declared or 0, 'shard')} in the code and has {len(shards)}, which "
            f"counts. Run 'manage.py timestamps_reshard {name} {first.shards_declared}', or say shards={len(shards)}."
        )


def _of_failures(name: str, shards: Sequence[SubscriptionStatus]) -> Iterator[Finding]:
    if dead := sum(each.dead_count for each in shards):
        yield _wrong(
            f"{count_of(dead, 'event')} of {name} {'is' if dead == 1 else 'are'} dead. Run 'manage.py timestamps_retry "
            f"{name}' once what they failed of is mended."
        )
    for problem in dict.fromkeys(each.problem for each in shards if each.state == State.BACKING_OFF):
        failures = max(each.failures for each in shards)
        yield _wrong(
            f"{name} backs off after {count_of(failures, 'failure')} in a row, and tries now and then: {problem}"
        )
    for problem in dict.fromkeys(each.problem for each in shards if each.state != State.BACKING_OFF and each.problem):
        yield _wrong(f"{name} goes no further: {problem}")
    if any(each.state == State.PAUSED for each in shards):
        yield _well(f"{name} is paused, and {_behind(shards)}. 'manage.py timestamps_resume {name}' lets it go on.")


def _is_stalled(shards: Sequence[SubscriptionStatus]) -> bool:
    """Say whether an event has waited for a day; those that are heard again are old from the start."""
    day = STALLED_AFTER.total_seconds()
    return any(
        (each.lag_seconds or 0) >= day and each.cursor >= each.replay_until
        for each in shards
        if each.state == State.ACTIVE and not each.is_orphan
    )


def _held(log: LogStatus, shards: Sequence[SubscriptionStatus]) -> str:
    """Return which events a subscription keeps from being pruned, in words."""
    first = max(min(each.cursor for each in shards) + 1, log.oldest_position or 0)
    count = max(0, log.head - first + 1)
    return (f"{count_of(count, 'event')}, from #{first:,} on," if count else "every later event") + " from being pruned"


def _behind(shards: Sequence[SubscriptionStatus]) -> str:
    lag = max(each.lag_count for each in shards)
    waits = max((each.lag_seconds for each in shards if each.lag_seconds is not None), default=None)
    if not lag:
        return "up to date"
    return f"{count_of(lag, 'position')} behind" + (
        "" if waits is None else f", the first recorded {in_words(waits)} ago"
    )


def _well(text: str) -> Finding:
    return Finding(text=text, code=ExitCode.WELL)


def _wrong(text: str) -> Finding:
    return Finding(text=text, code=ExitCode.WRONG)
