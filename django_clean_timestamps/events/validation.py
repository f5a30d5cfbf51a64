"""
The rules that a write's given times and texts must keep, as small registered values.

``CLEAN_TIMESTAMPS["RULES"]`` lists the rules in force by dotted path; a project adds its own or leaves one out. A time
taken from the clock is never refused, so the built-in rules about times look at given times alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Final

from django_clean_timestamps.clocks import read_clock
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.exceptions import InvalidTimestampError

__all__ = [
    "ACTOR_LENGTH",
    "AWARE",
    "CORRELATION_ID_LENGTH",
    "CREATED_FIRST",
    "ENTITY_ID_LENGTH",
    "NOT_IN_FUTURE",
    "REASON_LENGTH",
    "TEXT_FITS",
    "Proposal",
    "Rule",
    "rules_in_force",
    "validate",
]

REASON_LENGTH: Final = 200
ACTOR_LENGTH: Final = 150
CORRELATION_ID_LENGTH: Final = 64
ENTITY_ID_LENGTH: Final = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """
    What a write is about to store, as far as somebody gave it.

    Attributes:
        subject: What the error names: a model's label, with the key where one row is meant.
        created_at: The row's ``created_at``, given or known; None where neither.
        updated_at: The row's new ``updated_at`` where it was given.
        given: The times that the caller gave, each of which is checked, by name.
    """

    subject: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    given: tuple[tuple[str, datetime], ...] = ()
    reason: str = ""
    actor: str = ""
    correlation_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One rule.

    Attributes:
        name: The code of the error.
        check: Returns what is wrong and the way out, or ``""``.
        given_times_only: Whether the rule is left out where no time was given, as for most writes.
        given_texts_only: Whether it is left out where no reason, actor or correlation id was given.
    """

    name: str
    check: Callable[[Proposal], str]
    given_times_only: bool = False
    given_texts_only: bool = False


def validate(proposal: Proposal) -> None:
    """
    Check a proposal against the rules in force; the first that is broken ends it.

    Raises:
        InvalidTimestampError: Its message names the subject, what was found, what was wanted and the way out.
    """
    for rule in rules_in_force(times=bool(proposal.given), texts=True):
        if wrong := rule.check(proposal):
            raise InvalidTimestampError(f"{proposal.subject}: {wrong}", code=rule.name)


def rules_in_force(*, times: bool, texts: bool) -> tuple[Rule, ...]:
    """
    Return the rules that a write must keep, in order.

    Args:
        times: Whether it was given a time.
        texts: Whether it was given a text.
    """
    rules = get_settings().rule_objects
    if _applicable.rules is not rules:
        _applicable.choose(rules)
    return _applicable.by_need[times, texts]


class _Applicable:
    """The rules in force by what a write was given, chosen once: nearly every write asks."""

    rules: tuple[Rule, ...] | None = None
    by_need: dict[tuple[bool, bool], tuple[Rule, ...]]

    def choose(self, rules: tuple[Rule, ...]) -> None:
        self.by_need = {
            (times, texts): tuple(
                rule for rule in rules if (times or not rule.given_times_only) and (texts or not rule.given_texts_only)
            )
            for times in (False, True)
            for texts in (False, True)
        }
        self.rules = rules


_applicable: Final = _Applicable()


def _check_aware(proposal: Proposal) -> str:
    for name, value in proposal.given:
        if not _is_aware(value):
            return f"{name} is {value!r}; give an aware datetime, for example one from django.utils.timezone.now()"
    return ""


def _is_aware(value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _check_not_in_future(proposal: Proposal) -> str:
    limit = get_settings().max_future_seconds
    now = read_clock()
    for name, value in proposal.given:
        if _is_aware(value) and (value - now).total_seconds() > limit:
            return (
                f"{name} is {value.isoformat()}, more than {limit:g} s ahead of the clock; "
                "give an earlier time, or raise CLEAN_TIMESTAMPS['MAX_FUTURE_SECONDS']"
            )
    return ""


def _check_created_first(proposal: Proposal) -> str:
    created_at, updated_at = proposal.created_at, proposal.updated_at
    # Where a project left out the rule about aware times, others need not compare.
    if created_at is None or updated_at is None or not (_is_aware(created_at) and _is_aware(updated_at)):
        return ""
    if created_at <= updated_at:
        return ""
    return (
        f"updated_at would be {updated_at.isoformat()}, before its created_at {created_at.isoformat()}; "
        "give a later time, or correct created_at inside preserve_timestamps()"
    )


def _check_text_fits(proposal: Proposal) -> str:
    for name, text, limit in (
        ("reason", proposal.reason, REASON_LENGTH),
        ("actor", proposal.actor, ACTOR_LENGTH),
        ("correlation_id", proposal.correlation_id, CORRELATION_ID_LENGTH),
    ):
        if len(text) > limit:
            return f"{name} has {len(text)} characters; at most {limit} fit, and it is not cut for you"
        if text and not _can_be_stored(text):
            return f"{name} is {text!r}, which no database can store: it holds NUL or half a character; remove that"
    return ""


def _can_be_stored(text: str) -> bool:
    """Say whether a text is UTF-8 without NUL: else the whole transaction would fail, just before COMMIT."""
    if text.isascii():
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


AWARE: Final = Rule(name="aware", check=_check_aware, given_times_only=True)
NOT_IN_FUTURE: Final = Rule(name="not_in_future", check=_check_not_in_future, given_times_only=True)
CREATED_FIRST: Final = Rule(name="created_first", check=_check_created_first, given_times_only=True)
TEXT_FITS: Final = Rule(name="text_fits", check=_check_text_fits, given_texts_only=True)
