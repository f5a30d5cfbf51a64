"""Whom an alert is told to: receivers of a signal, the log, mail."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core import mail

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.metrics.alerts.wording import Message, one_line
from django_clean_timestamps.signals import timestamp_alert

__all__ = ["MAIL_SECONDS", "SINKS", "Sink", "sinks_in_force"]

MAIL_SECONDS: Final = 10.0
"""How long a mail server may be silent, where ``EMAIL_TIMEOUT`` does not say."""

MESSAGES_A_MAIL: Final = 50
"""What becomes known at once is one mail."""

logger: Final = logging.getLogger("django_clean_timestamps.alerts")

_LEVELS: Final = {"critical": logging.ERROR, "warning": logging.WARNING}


class Sink(NamedTuple):
    """
    Somebody who is told.

    Attributes:
        name: As in ``AlertNotice.sink``.
        send: Tells messages; raises where it failed, and is given them again then.
        size: How many messages it is given at most.
    """

    name: str
    send: Callable[[Sequence[Message]], None]
    size: int = 1


def sinks_in_force() -> tuple[Sink, ...]:
    """Return whom the settings want to be told."""
    return tuple(sink for sink in SINKS if sink.name != "mail" or get_settings().alert_mail_to)


def send_signal(messages: Sequence[Message]) -> None:
    """
    Send ``timestamp_alert`` for each message.

    Raises:
        Exception: What a receiver raised first, once all have been called.
    """
    for message in messages:
        for _, answer in timestamp_alert.send_robust(sender=Message, alert=message):
            if isinstance(answer, Exception):
                raise answer


def send_log(messages: Sequence[Message]) -> None:
    """Log each message with all of it as JSON: critical as an error, a warning as a warning, else as information."""
    for message in messages:
        level = _LEVELS.get(message.level if message.state == "firing" else "", logging.INFO)
        said = message.as_dict()
        logger.log(level, "%s %s", message.title, json.dumps(said), extra={"alert": said})


def send_mail(messages: Sequence[Message]) -> None:
    """
    Mail messages, all in one, to ``ALERT_MAIL_TO``.

    Raises:
        Exception: The mail server could not be reached or refused it.
    """
    others = f" (+{len(messages) - 1})" if len(messages) > 1 else ""
    mailed = mail.EmailMessage(
        subject=f"{one_line(settings.EMAIL_SUBJECT_PREFIX)} {messages[0].title}{others}".strip(),
        body="\n".join(map(_in_words, messages)),
        to=list(get_settings().alert_mail_to),
        # Nobody's holiday is to answer it.
        headers={"Auto-Submitted": "auto-generated"},
    )
    _mailer().send_messages([mailed])


def _in_words(message: Message) -> str:
    since = "" if message.changed_at is None else f"{message.changed_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [message.title, since, message.figures, message.advice if message.state != "ok" else "", message.key]
    return "\n".join(filter(None, lines)) + "\n"


def _mailer() -> Any:
    # From Django 6.1 on ``get_connection`` is deprecated.
    mailers: Any = getattr(mail, "mailers", None)
    mailer: Any = mail.get_connection() if mailers is None else mailers.default
    if getattr(mailer, "timeout", 0) is None:
        mailer.timeout = MAIL_SECONDS
    return mailer


SINKS: Final = (Sink("signal", send_signal), Sink("log", send_log), Sink("mail", send_mail, MESSAGES_A_MAIL))
