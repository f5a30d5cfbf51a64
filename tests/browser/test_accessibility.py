"""No barrier stands on a page that a bare page of the admin lacks."""

import pytest

from tests.browser.barriers import barriers, found_in_the_dark
from tests.browser.looking import PAGES

# The policy would keep axe itself out.
LOOKS = {
    "light": {"width": 1280, "language": "en", "bypass_csp": True},
    "arabic": {"width": 375, "language": "ar", "bypass_csp": True},
}
SHORT = {
    "overview": "?range=1h",
    "operation": f"{PAGES['operation']}&range=1h",
    "deliveries": "deliveries/?range=1h",
}
"""Shorter tables have the same barriers."""


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_that_a_bare_page_lacks(looker, bare, name, look):
    page = looker.open(SHORT.get(name, name), **LOOKS[look])
    # Also what stands in what is folded up.
    page.locator("#timestamp-figures details").evaluate_all(
        "found => found.slice(0, 1).forEach((each) => each.open = true)"
    )
    assert barriers(looker, page, LOOKS[look], bare) == set()
    if look == "light":
        # In the dark only the colours are others, in every language.
        assert found_in_the_dark(page) == set()


def test_the_crosshair_is_a_slider_with_a_name_and_a_value(looker):
    page = looker.open("?range=1h")
    slider = page.get_by_role("slider").first
    assert slider.get_attribute("aria-label").startswith("Latency. Follow with the arrow keys")
    assert "p95" in slider.get_attribute("aria-valuetext")
