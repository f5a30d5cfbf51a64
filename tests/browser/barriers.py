"""What axe finds on the pages, less what it finds on a bare page of the admin."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.looking import Looker

BARE = "/admin/auth/user/"
CONTRAST = "color-contrast"

SHORTEN = """() => document.querySelectorAll(".timestamp-chart-table tbody tr:nth-child(n+4)")
    .forEach((row) => row.remove())"""
"""The other rows of a chart's table are as the first ones, and axe takes its time for each of them."""

Found = set[tuple[str, str, str]]


def found_by_axe(page: Page, *rules: str, within: str | None = None) -> Found:
    """
    Return each rule that is broken, by which element, and how.

    Args:
        page: What is looked at.
        rules: The only ones to be judged, all where there is none.
        within: A selector of the part that is looked at.
    """
    # Where it loads the styles by itself, it looks for what they import at the page's address.
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    page.evaluate(SHORTEN)
    results = Axe().run(page, context=within, options=options).response
    return {
        (violation["id"], str(node["target"]), node.get("failureSummary", ""))
        for violation in results["violations"]
        for node in violation["nodes"]
    }


def found_in_the_dark(page: Page) -> Found:
    """Return what of the package's own is hard to read once the page has turned dark."""
    page.emulate_media(color_scheme="dark")
    # The admin lets colours change slowly.
    page.wait_for_function("() => document.getAnimations().length === 0")
    return found_by_axe(page, CONTRAST, within=".timestamp-main")


def barriers(looker: Looker, page: Page, look: dict[str, Any], bare: dict[str, set[tuple[str, str]]]) -> Found:
    """Return what is broken on a page and not on a bare one, which is opened for the first of each look."""
    key = str(look)
    if key not in bare:
        other = looker.page(**look)
        other.goto(BARE)
        bare[key] = {(rule, target) for rule, target, _ in found_by_axe(other)}
        other.close()
    return {(rule, target, why) for rule, target, why in found_by_axe(page) if (rule, target) not in bare[key]}
