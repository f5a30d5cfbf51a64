"""The feed's cursors: opaque, signed, versioned."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.core.signing import BadSignature, Signer

from django_clean_timestamps.exceptions import BadCursor

__all__ = ["Cursor", "read_cursor", "write_cursor"]

VERSION: Final = 1
_SALT: Final = "django_clean_timestamps.eventlog.cursor"


class Cursor(NamedTuple):
    """
    How far a reader of the feed is.

    Attributes:
        using: The database alias of its log.
        position: The last position that it is done with.
    """

    using: str
    position: int


def write_cursor(cursor: Cursor) -> str:
    """Return the cursor as text, signed with ``SECRET_KEY``; its form may change between releases."""
    return Signer(salt=_SALT).sign_object([VERSION, cursor.using, cursor.position])


def read_cursor(text: Any, using: str | None) -> Cursor:
    """
    Return the cursor that a text holds; one signed with a key of ``SECRET_KEY_FALLBACKS`` too.

    Args:
        text: What :func:`write_cursor` returned, of this release or an earlier one.
        using: The log it must belong to, None for whichever it does.

    Raises:
        BadCursor: It was changed, was signed with another key, has a version to come, or belongs to another log.
    """
    try:
        content = Signer(salt=_SALT).unsign_object(text)
    except (BadSignature, ValueError, TypeError, AttributeError) as error:
        raise BadCursor(
            f"The cursor {str(text)[:60]!r} is not one that this site gave out: it was changed, or signed with another "
            "SECRET_KEY. Start anew with cursor=None"
        ) from error
    if not isinstance(content, list) or content[:1] != [VERSION]:
        raise BadCursor(
            f"The cursor has version {content[0] if isinstance(content, list) and content else content!r}; this "
            f"release reads version {VERSION}. Upgrade django-clean-timestamps here too, or start anew with cursor=None"
        )
    _, alias, position = content
    if using is not None and alias != using:
        raise BadCursor(f"The cursor belongs to the log of {alias!r}, and the one of {using!r} was asked for")
    return Cursor(alias, position)
