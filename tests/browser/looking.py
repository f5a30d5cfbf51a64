"""What the tests of the browser share: how a page is looked at, and what the browser complained of."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARD = "/admin/clean_timestamps/dashboard/"
PAGES = {
    "overview": "",
    # Of one operation.
    "operation": "operation/?model=shop.order&operation=update",
    "deliveries": "deliveries/",
    "alerts": "alerts/",
    "health": "health/",
}
HEIGHTS = {1280: 800, 375: 812}

FRESH_SECONDS = 60
"""How old the figures may get: past 150 s the pages would call the collector silent."""

TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
    "policy violated: " + event.violatedDirective + " by " + event.blockedURI + " " + event.sample +
    " at " + event.sourceFile + ":" + event.lineNumber));
"""

SIDEWAYS = """() => {
    const root = document.scrollingElement;
    if (root.scrollWidth <= window.innerWidth) return [];
    const clips = (each) => each && each !== document.body &&
        (getComputedStyle(each).overflowX !== "visible" || clips(each.parentElement));
    return [`scrollWidth ${root.scrollWidth}, innerWidth ${window.innerWidth}`, ...Array.from(
        document.querySelectorAll("body *"))
        .filter((each) => !clips(each.parentElement))
        .filter((each) => {
            const box = each.getBoundingClientRect();
            return box.width && (box.right > window.innerWidth + 1 || box.left < -1);
        })
        .map((each) => each.tagName + "." + (each.getAttribute("class") || ""))
        .slice(0, 10)];
}"""
"""What makes a page wider than its window; an element that scrolls in itself does not."""


@dataclasses.dataclass(kw_only=True)
class Site:
    """
    A site under way.

    Attributes:
        url: Its address, without a slash at the end.
        environment: Of its process, and of programs that write its figures.
        sessions: The key of a session of each user.
        renewed_at: When the figures were last made those of now, by the monotonic clock.
    """

    url: str
    environment: dict[str, str]
    sessions: dict[str, str]
    renewed_at: float = dataclasses.field(default_factory=time.monotonic)

    def run(self, what: str) -> str:
        """Let a program of ``figures`` write, outside this process and of the site's."""
        return run_figures(self.environment, what)

    def keep_fresh(self, seconds: float = FRESH_SECONDS) -> None:
        """Let the figures be those of now, if they are older than so many seconds."""
        if time.monotonic() - self.renewed_at > seconds:
            self.renewed_at = time.monotonic()
            self.run("keep")


class Looker:
    """
    Opens pages, and keeps what the browser complains of.

    Args:
        browser: The browser.
        site: What is looked at.
    """

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self._site = browser, site
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def page(
        self,
        *,
        user: str | None = "ada",
        width: int = 1280,
        language: str = "en",
        is_dark: bool = False,
        **options: Any,
    ) -> Page:
        """Return an empty page of a new visitor."""
        context = self._browser.new_context(
            base_url=self._site.url,
            viewport={"width": width, "height": HEIGHTS[width]},
            locale=language,
            color_scheme="dark" if is_dark else "light",
            timezone_id="UTC",
            reduced_motion="reduce",
            is_mobile=False,
            **options,
        )
        self._contexts.append(context)
        if user:
            cookie = {"name": "sessionid", "value": self._site.sessions[user], "url": self._site.url}
            context.add_cookies([cookie])
        context.add_init_script(TELL_OF_VIOLATIONS)
        page = context.new_page()
        self._listen(page)
        return page

    def open(self, address: str = "", **options: Any) -> Page:
        """Return a page of the dashboard, by its name or by its address below the dashboard's."""
        page = self.page(**options)
        page.goto(DASHBOARD + PAGES.get(address, address))
        return page

    def close(self) -> None:
        """Close everything, and fail where the browser has complained."""
        # To close a page breaks off what it has just asked for, which is no complaint.
        found = list(self.complaints)
        for context in self._contexts:
            context.close()
        assert not found, found

    def _listen(self, page: Page) -> None:
        found = self.complaints

        def hear(message: Any) -> None:
            if message.type in ("error", "warning"):
                found.append(f"{message.type}: {message.text}")

        def hear_failed(url: str, failure: str | None) -> None:
            # So it calls an answer that nobody reads to its end, such as that one is to log in.
            if failure != "net::ERR_ABORTED":
                found.append(f"failed: {url} {failure}")

        page.on("console", hear)
        page.on("pageerror", lambda error: found.append(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: hear_failed(request.url, request.failure))


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """Let a site serve, and return its address."""
    # Django's server writes a line for each request to the standard error.
    with subprocess.Popen(
        [sys.executable, "-m", "tests.browser.server"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, f"the site ended with {process.wait()}"
            yield url
        finally:
            process.stdin.close()
            process.terminate()


def run_figures(environment: dict[str, str], what: str) -> str:
    """Run a program of ``figures``, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.browser.figures", what],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment_of(database: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "BROWSER_DATABASE": str(database),
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        **more,
    }


def follow(page: Page, link: Locator) -> None:
    """Click, and wait until the page that this leads to is whole: a click by itself waits until it is asked for."""
    with page.expect_navigation():
        link.click()


def text_of(element: Any) -> str:
    """Return what an element says, each run of white space as one space and without marks of direction."""
    return " ".join(re.sub("[\u2068\u2069\u200e\u200f]", "", element.inner_text()).replace("\xa0", " ").split())
