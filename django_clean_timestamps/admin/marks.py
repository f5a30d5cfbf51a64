"""A sign and a word for how something stands; what the colour says, they say too."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.outcomes import Fate

__all__ = ["GONE", "Mark", "fate_mark", "state_mark"]


class Mark(NamedTuple):
    """
    What stands before a word, the word, and which class colours both.

    Attributes:
        sign: One character, not read aloud.
        word: What it means.
        tone: ``good``, ``quiet``, ``care`` or ``bad``.
    """

    sign: str
    word: str | Promise
    tone: str

    def __str__(self) -> str:
        return self.__html__()

    def __html__(self) -> SafeString:
        """Return both, for a page."""
        return format_html(
            '<span class="timestamp-mark timestamp-{}"><span class="timestamp-sign" aria-hidden="true">{}</span> '
            "{}</span>",
            self.tone,
            self.sign,
            self.word,
        )


GONE: Final = Mark("!", _("gone from the code"), "bad")
"""That a subscription's handler is not there any more."""

# No sign that a system could draw as a coloured picture.
_FATES: Final = {
    Fate.PENDING: Mark("…", _("pending"), "quiet"),
    Fate.UNBORN: Mark("○", _("not begun"), "quiet"),
    Fate.BEFORE: Mark("–", _("came before it began"), "quiet"),
    Fate.DUE: Mark("…", _("still to be delivered"), "quiet"),
    Fate.DELIVERED: Mark("✓", _("delivered"), "good"),
    Fate.SENT: Mark("→", _("sent to its queue"), "good"),
    Fate.RETRY: Mark("↻", _("to be retried"), "care"),
    Fate.WAITING: Mark("‖", _("waiting"), "care"),
    Fate.DEAD: Mark("✗", _("dead"), "bad"),
    Fate.SKIPPED: Mark("↷", _("skipped"), "quiet"),
}

_STATES: Final = {
    Subscription.State.ACTIVE: Mark("✓", _("active"), "good"),
    Subscription.State.PAUSED: Mark("‖", _("paused"), "care"),
    Subscription.State.BACKING_OFF: Mark("↻", _("backing off"), "bad"),
}


def fate_mark(fate: str) -> Mark:
    """Return how to show what became of an event, also the state of a parked one."""
    return _FATES.get(fate) or _unknown(fate)  # type: ignore[call-overload]


def state_mark(state: str) -> Mark:
    """Return how to show the state of a subscription."""
    return _STATES.get(state) or _unknown(state)  # type: ignore[call-overload]


def _unknown(word: str) -> Mark:
    """A newer release may know more of them."""
    return Mark("?", word, "care")
