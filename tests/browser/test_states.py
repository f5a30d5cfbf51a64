"""Pages that are seen seldom: those that ask, those that have nothing to show, and one of very much."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.barriers import barriers
from tests.browser.figures import CROWD, CROWD_DAYS, CROWD_DAYS_AGO
from tests.browser.looking import DASHBOARD, SIDEWAYS

LOOKS = {
    "light-1280-en": {"width": 1280, "language": "en", "bypass_csp": True},
    "light-375-ar": {"width": 375, "language": "ar", "bypass_csp": True},
}
ASKS = {
    "retry": ("deliveries/retry/?handler=mail.receipt&state=retry&database=default", "3"),
    "skip": ("deliveries/skip/?handler=billing.invoice&state=dead&database=default", "4"),
    "silence": ("alerts/silence/?rule=dead_events&subject=all", "1"),
}


@pytest.fixture
def look_over(screenshots, bare):
    """Return what opens a page once each way and holds it against everything that a page must be."""

    def look_over(looker, name, address, check):
        for look, options in LOOKS.items():
            page = looker.open(address, **options)
            check(page)
            page.screenshot(path=screenshots / f"{name}-{look}.png", full_page=True)
            assert page.evaluate(SIDEWAYS) == [], look
            assert barriers(looker, page, options, bare) == set(), look
        # The policy, which axe needs to be left out.
        page = looker.page()
        page.goto(DASHBOARD + address)
        page.close()

    return look_over


@pytest.mark.parametrize("name", ASKS)
def test_a_page_that_asks(looker, look_over, name):
    address, count = ASKS[name]

    def check(page):
        assert page.locator(".timestamp-ask strong").inner_text() == count
        assert page.locator(".timestamp-ask input.default").is_visible()

    look_over(looker, f"{name}_asked", address, check)


def test_a_page_before_anything_was_collected(new_looker, look_over):
    def check(page):
        assert page.locator(".timestamp-empty-never li").count() == 3
        assert page.locator(".timestamp-tile").count() == 0

    look_over(new_looker, "overview_never", "", check)


def test_a_page_of_a_range_in_which_nothing_was(looker, look_over):
    def check(page):
        assert page.locator(".timestamp-empty-range a").count() == 5
        assert page.locator("figure.timestamp-chart").count() == 0

    look_over(looker, "overview_nothing", "?range=own&from=2026-01-02T03:04&to=2026-01-02T05:04", check)


def test_a_page_while_the_collector_is_silent(looker, site, look_over):
    def check(page):
        assert page.locator(".timestamp-empty-silent").is_visible()
        assert page.locator("#timestamp-sentence .timestamp-bad").is_visible()
        assert page.locator("figure.timestamp-chart").count() == 5

    site.run("age")
    try:
        look_over(looker, "overview_silent", "?range=1h", check)
    finally:
        site.run("keep")


def test_a_page_of_forty_series(looker, look_over):
    since = datetime.now(UTC) - timedelta(days=CROWD_DAYS_AGO)
    since = since.replace(minute=0, second=0, microsecond=0, tzinfo=None)
    until = since + timedelta(days=CROWD_DAYS)

    def check(page):
        rows = page.locator(".timestamp-operations tbody tr")
        told = {tuple(row.locator("bdi").all_inner_texts()[:2]) for row in rows.all()}
        assert told == set(CROWD)

    address = f"?range=own&from={since.isoformat()}&to={until.isoformat()}"
    look_over(looker, "overview_forty", address, check)
