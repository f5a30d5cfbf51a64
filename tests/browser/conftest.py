"""
A browser, and a site with thirty days of figures for it to look at.

The browser is the system's Chromium, or the one that ``BROWSER_CHROMIUM`` names; none is downloaded. The site runs in
a process of its own on a file of its own, so no test here touches the database of the other tests. Pictures go to the
folder ``BROWSER_SCREENSHOTS``, which is a temporary one unless given.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.looking import Looker, Site

if not all(importlib.util.find_spec(name) for name in ("playwright", "axe_playwright_python")):
    collect_ignore_glob = ["test_*.py"]

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FOLDER = pytest.StashKey[Path]()
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = os.environ.get("BROWSER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "there is no Chromium; install your system's package, or name one by BROWSER_CHROMIUM"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a database of thirty days, and the session of each user."""
    from tests.browser.looking import environment_of, run_figures

    path = tmp_path_factory.mktemp("browser") / "site.sqlite3"
    return path, json.loads(run_figures(environment_of(path), "make"))


@pytest.fixture(scope="session")
def site(figures: tuple[Path, dict[str, str]]) -> Iterator[Site]:
    """Return Django's own admin under a strict Content-Security-Policy."""
    yield from _serving(figures)


@pytest.fixture(scope="session")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return an admin before anything was collected."""
    from tests.browser.looking import environment_of, run_figures

    path = tmp_path_factory.mktemp("browser") / "new.sqlite3"
    yield from _serving((path, json.loads(run_figures(environment_of(path), "new"))))


@pytest.fixture(scope="session")
def unfold_site(figures: tuple[Path, dict[str, str]]) -> Iterator[Site]:
    """Return the admin of django-unfold."""
    pytest.importorskip("unfold", reason="django-unfold is not installed")
    yield from _serving(figures, BROWSER_UNFOLD="1")


def _serving(figures: tuple[Path, dict[str, str]], **environment: str) -> Iterator[Site]:
    from tests.browser.looking import Site, environment_of, serving

    path, sessions = figures
    found = environment_of(path, **environment)
    with serving(found) as url:
        yield Site(url=url, environment=found, sessions=sessions)


@pytest.fixture
def looker(browser: Browser, site: Site) -> Iterator[Looker]:
    """Return what opens pages; whatever the browser complains of fails the test."""
    yield from _looking(browser, site)


@pytest.fixture
def new_looker(browser: Browser, new_site: Site) -> Iterator[Looker]:
    yield from _looking(browser, new_site, is_kept_fresh=False)


@pytest.fixture
def unfold_looker(browser: Browser, unfold_site: Site) -> Iterator[Looker]:
    yield from _looking(browser, unfold_site)


def _looking(browser: Browser, site: Site, *, is_kept_fresh: bool = True) -> Iterator[Looker]:
    from tests.browser.looking import Looker

    if is_kept_fresh:
        site.keep_fresh()
    looker = Looker(browser, site)
    yield looker
    looker.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the folder that pictures go to."""
    given = os.environ.get("BROWSER_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    request.config.stash[_FOLDER] = folder
    return folder


@pytest.fixture(scope="session")
def bare() -> dict[str, set[tuple[str, str]]]:
    """Return what axe finds on a bare page of the admin, by how it is looked at; it is filled as that is asked for."""
    return {}


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if folder := config.stash.get(_FOLDER, None):
        terminalreporter.write_line(f"screenshots: {folder}")
