"""The pages on an admin of django-unfold, which breaks a strict Content-Security-Policy by itself."""

import pytest

from tests.browser.barriers import CONTRAST, found_by_axe
from tests.browser.looking import PAGES, SIDEWAYS

LOOKS = [(1280, False), (375, True)]
MANY_LINKS = ("deliveries", "alerts", "health")


@pytest.mark.parametrize(("width", "is_dark"), LOOKS, ids=str)
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_in(unfold_looker, screenshots, name, width, is_dark):
    page = unfold_looker.open(name, width=width, is_dark=is_dark)
    theme = "dark" if is_dark else "light"
    page.screenshot(path=screenshots / f"unfold_{name}-{theme}-{width}-en.png", full_page=True)
    assert page.locator("#timestamp-figures").is_visible()
    assert page.evaluate(SIDEWAYS) == []
    if name in MANY_LINKS:
        assert found_by_axe(page, CONTRAST, within=".timestamp-main") == set()
