"""What moves while a page is looked at. Time is the page's own clock, which the tests put forward."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.looking import DASHBOARD, follow, text_of

MINUTES = 60_000

# The script puts another canvas in the place of each, whether its figures are the same or not, as the last it does
# before it tells and plans in the same turn.
MARK = "document.querySelectorAll('.timestamp-canvas').forEach((each) => { each.isOld = true; })"
# A function: of a text, the page's policy allows the first look alone.
IS_NEW = "() => !Array.from(document.querySelectorAll('.timestamp-canvas')).some((each) => each.isOld)"


def open_live(looker, address="", **options):
    """Return a page whose clock stands still, and the answers to what it asks for by itself."""
    page = looker.page(**options)
    answers = []
    page.on("response", lambda answer: answers.append(answer) if "fragment=1" in answer.url else None)
    # An installed clock goes on by itself until it is told to stand still, at a time that is yet to come.
    now = datetime.now(UTC)
    page.clock.install(time=now)
    page.clock.pause_at(now + timedelta(seconds=1))
    page.goto(DASHBOARD + address)
    page.evaluate("window.isTheSame = true")
    return page, answers


def wait_for_fragment(page, milliseconds=15_000):
    """Return what the page asks for by itself, once its script has taken it up."""
    page.evaluate(MARK)
    with page.expect_response(re.compile("fragment=1")) as answer:
        page.clock.run_for(milliseconds)
    if answer.value.status == 200:
        page.wait_for_function(IS_NEW)
    return answer.value


def test_newer_figures_appear_by_themselves(looker, site):
    page, _ = open_live(looker, "?range=1h")
    tile = page.locator(".timestamp-tile").first
    before = text_of(tile)
    site.run("minute")
    assert wait_for_fragment(page).status == 200
    assert text_of(tile) != before
    assert "250 ms" in page.locator("#latency-summary").inner_text().replace("\xa0", " ")
    assert page.evaluate("window.isTheSame") is True


def test_the_same_figures_are_not_sent_again(looker, site):
    # Of figures older than a minute the age is news too.
    site.keep_fresh(0)
    page, _ = open_live(looker, "?range=1h")
    first = wait_for_fragment(page)
    assert (first.status, first.request.headers.get("if-none-match")) == (200, None)
    second = wait_for_fragment(page)
    assert second.request.headers["if-none-match"] == first.headers["etag"]
    assert second.status == 304
    assert page.locator(".timestamp-live-note").inner_text() == ""


@pytest.mark.parametrize("seconds", [5, 15, 30, 60])
def test_it_asks_as_often_as_is_chosen(looker, seconds):
    page, answers = open_live(looker)
    page.locator("#timestamp-live").select_option(str(seconds))
    page.clock.run_for(seconds * 1_000 - 100)
    page.wait_for_timeout(100)
    assert answers == []
    wait_for_fragment(page, 200)
    assert len(answers) == 1


def test_it_never_asks_where_it_is_off_and_remembers_that(looker):
    page, answers = open_live(looker)
    page.locator("#timestamp-live").select_option("0")
    page.reload()
    assert page.locator("#timestamp-live").input_value() == "0"
    page.clock.run_for(2 * MINUTES)
    page.wait_for_timeout(100)
    assert answers == []


def test_whoever_was_logged_out_is_told_so_and_sees_the_same_figures(looker):
    page, answers = open_live(looker)
    before = page.locator("#timestamp-figures").inner_text()
    page.context.clear_cookies()
    page.clock.run_for(15_000)
    note = page.locator(".timestamp-live-note")
    note.get_by_text("You are logged out").wait_for()
    assert page.locator("#timestamp-figures").inner_text() == before
    asked = len(answers)
    page.clock.run_for(2 * MINUTES)
    page.wait_for_timeout(100)
    assert len(answers) == asked
    follow(page, note.get_by_role("button", name="Log in"))
    assert "/login/" in page.url


def test_a_server_that_is_away_is_told_and_asked_again(looker):
    page, _ = open_live(looker)
    page.route("**/*fragment=1*", lambda route: route.abort())
    page.clock.run_for(15_000)
    note = page.locator(".timestamp-live-note")
    note.get_by_text("The server does not answer").wait_for()
    page.unroute("**/*fragment=1*")
    assert wait_for_fragment(page).status == 200
    assert note.inner_text() == ""
    # What Chromium says of the request that failed.
    assert looker.complaints
    assert all("fragment=1" in each or "ERR_FAILED" in each for each in looker.complaints)
    looker.complaints.clear()


def test_it_stops_where_nobody_is_and_goes_on_when_told(looker):
    page, answers = open_live(looker)
    page.locator("#timestamp-live").select_option("60")
    page.clock.fast_forward(31 * MINUTES)
    note = page.locator(".timestamp-live-note")
    note.get_by_text("Stopped after 30 minutes").wait_for()
    asked = len(answers)
    with page.expect_response(re.compile("fragment=1")):
        note.get_by_role("button", name="Go on").click()
    assert len(answers) == asked + 1


def test_what_is_open_and_where_the_reader_is_stays(looker, site):
    page, _ = open_live(looker, "?range=1h")
    page.locator("#latency details summary").click()
    page.locator("#latency .timestamp-chart-scroll").evaluate("each => each.scrollTop = 300")
    canvas = page.locator("#latency .timestamp-canvas")
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    told = canvas.get_attribute("aria-valuetext")
    site.keep_fresh(0)
    assert wait_for_fragment(page).status == 200
    assert page.locator("#latency details").get_attribute("open") is not None
    assert page.locator("#latency .timestamp-chart-scroll").evaluate("each => each.scrollTop") == 300
    assert page.evaluate("document.activeElement.className") == "timestamp-canvas"
    assert canvas.get_attribute("aria-valuetext").partition(",")[0] == told.partition(",")[0]
    assert page.locator("#latency .timestamp-readout").is_visible()
