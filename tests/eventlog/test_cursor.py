"""A cursor is taken back only as it was given out."""

import pytest
from django.core.signing import Signer
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_clean_timestamps.eventlog.cursor import Cursor, read_cursor, write_cursor
from django_clean_timestamps.exceptions import BadCursor, CleanTimestampsError

CURSOR = Cursor("default", 42)
SALT = "django_clean_timestamps.eventlog.cursor"


@given(
    using=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()), position=st.integers(0, 2**63 - 1)
)
def test_a_cursor_comes_back_as_it_was(using, position):
    assert read_cursor(write_cursor(Cursor(using, position)), None) == (using, position)
    assert read_cursor(write_cursor(Cursor(using, position)), using) == (using, position)


def test_a_cursor_can_stand_in_an_address():
    assert write_cursor(CURSOR).replace(":", "").replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "a:b", "a:b:c", "é:😀", "\ud800:x", "1", "default:42", ":", b"bytes", 7, 1.5, ["list"], object()],
    ids=range(15),
)
def test_what_was_never_a_cursor_is_refused(text):
    with pytest.raises(BadCursor, match=r"is not one that this site gave out.*cursor=None"):
        read_cursor(text, None)


def test_a_cursor_with_any_character_changed_is_refused():
    text = write_cursor(CURSOR)
    for place, character in enumerate(text):
        changed = text[:place] + ("A" if character != "A" else "B") + text[place + 1 :]
        with pytest.raises(BadCursor):
            read_cursor(changed, None)


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + "A", lambda text: text[1:]])
def test_a_cursor_that_was_cut_or_lengthened_is_refused(change):
    with pytest.raises(BadCursor):
        read_cursor(change(write_cursor(CURSOR)), None)


def test_a_cursor_signed_with_another_key_is_refused():
    with override_settings(SECRET_KEY="another"):
        text = write_cursor(CURSOR)
    with pytest.raises(BadCursor, match="another SECRET_KEY"):
        read_cursor(text, None)


def test_a_cursor_signed_for_another_purpose_is_refused():
    with pytest.raises(BadCursor):
        read_cursor(Signer(salt="something else").sign_object([1, "default", 42]), None)


def test_a_cursor_signed_with_an_earlier_key_is_taken():
    with override_settings(SECRET_KEY="earlier"):
        text = write_cursor(CURSOR)
    with override_settings(SECRET_KEY="later", SECRET_KEY_FALLBACKS=["earlier"]):
        assert read_cursor(text, None) == CURSOR


@pytest.mark.parametrize("content", [[2, "default", 42], [2], [], {"version": 2}, "text", 1, None], ids=repr)
def test_a_cursor_of_a_later_version_is_refused_with_the_way_out(content):
    text = Signer(salt=SALT).sign_object(content)
    with pytest.raises(BadCursor, match=r"has version .*reads version 1\. Upgrade"):
        read_cursor(text, None)


def test_a_cursor_of_another_log_is_refused():
    with pytest.raises(BadCursor, match="belongs to the log of 'default', and the one of 'other' was asked for"):
        read_cursor(write_cursor(CURSOR), "other")


def test_the_error_is_one_of_ours_and_a_value_error():
    assert issubclass(BadCursor, CleanTimestampsError)
    assert issubclass(BadCursor, ValueError)


def test_the_error_does_not_repeat_a_text_of_any_length():
    with pytest.raises(BadCursor) as caught:
        read_cursor("x" * 10_000, None)
    assert len(str(caught.value)) < 300


def test_cursors_of_this_version_are_read_for_ever():
    with override_settings(SECRET_KEY="tests"):
        assert read_cursor(Signer(salt=SALT).sign_object([1, "default", 42]), "default") == CURSOR
