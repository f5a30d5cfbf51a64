"""django-reversion: it writes raw, as fixtures are."""

import pytest
import reversion
from reversion.models import Version

from django_clean_timestamps.testing import capture_events
from tests.beside.stories import stamps, told
from tests.besideapp.models import Page, PageNoStamps

pytestmark = pytest.mark.django_db

with_and_without_stamps = pytest.mark.parametrize("model", [Page, PageNoStamps])


def write(model, title, page=None):
    """Make or change a page in a revision of its own."""
    with reversion.create_revision():
        page = page or model()
        page.title = title
        page.save()
    return page


def versions(page):
    """Return the versions, the oldest first."""
    return Version.objects.get_for_object(page).order_by("pk")


@with_and_without_stamps
def test_a_revision_is_no_further_write(model):
    with capture_events() as events:
        page = write(model, "one")
    assert told(events) == [("created", model._meta.model_name, str(page.pk))]
    assert stamps(page) == (page.created_at, page.created_at)


@with_and_without_stamps
def test_a_touch_makes_no_version(model):
    page = write(model, "one")
    with reversion.create_revision():
        page.touch("reviewed")
    assert versions(page).count() == 1


@with_and_without_stamps
def test_a_revert_restores_the_fields_and_keeps_created_at(model):
    page = write(model, "one")
    write(model, "two", page)
    created_at = stamps(page)[0]
    versions(page)[0].revision.revert()
    assert model.objects.get().title == "one"
    assert stamps(page)[0] == created_at


def test_a_revert_writes_the_stamp_of_its_version():
    # Django's JSON, in which versions are kept, cuts times to milliseconds.
    page = write(Page, "one")
    old = page.updated_at
    write(Page, "two", page)
    versions(page)[0].revision.revert()
    expected = old.replace(microsecond=old.microsecond // 1000 * 1000)
    assert stamps(page)[1] == max(expected, page.created_at)


def test_a_revert_to_a_version_without_stamps_stamps_now():
    page = write(PageNoStamps, "one")
    write(PageNoStamps, "two", page)
    before = stamps(page)[1]
    versions(page)[0].revision.revert()
    assert stamps(page)[1] > before


@with_and_without_stamps
def test_a_revert_raises_no_event(model):
    # A raw save is told to nobody.
    page = write(model, "one")
    write(model, "two", page)
    with capture_events() as events:
        versions(page)[0].revision.revert()
    assert events == []


def test_a_page_that_is_recovered_has_its_old_stamps():
    page = write(Page, "one")
    created_at, updated_at = (stamp.replace(microsecond=stamp.microsecond // 1000 * 1000) for stamp in stamps(page))
    page.delete()
    Version.objects.get_deleted(Page).get().revision.revert()
    assert stamps(Page.objects.get(title="one")) == (created_at, updated_at)


def test_a_page_that_is_recovered_without_stamps_is_stamped_now():
    page = write(PageNoStamps, "one")
    before = page.updated_at
    page.delete()
    Version.objects.get_deleted(PageNoStamps).get().revision.revert()
    found = PageNoStamps.objects.get(title="one")
    assert found.created_at == found.updated_at > before


def test_a_reverted_page_stamps_its_next_save():
    page = write(Page, "one")
    write(Page, "two", page)
    latest = stamps(page)[1]
    versions(page)[0].revision.revert()
    found = Page.objects.get()
    found.save()
    assert stamps(found)[1] > latest
