"""What can be done with a keyboard, a mouse, or without any script."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.looking import DASHBOARD, PAGES, SIDEWAYS, follow, text_of

FOCUSABLE = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']"

# In the page's order, what a keyboard should come to.
REACHABLE = """(selector) => Array.from(document.querySelectorAll(selector))
    .filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true }))
    .map((each, index) => { each.dataset.place = index; return index; })"""

OUTLINED = """() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
}"""


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_reaches_everything_in_its_order(looker, name):
    page = looker.open(name)
    wanted = page.evaluate(REACHABLE, FOCUSABLE)
    reached, unmarked = [], []
    for _ in range(len(wanted) + 1):
        page.keyboard.press("Tab")
        place = page.evaluate("document.activeElement.dataset.place")
        if place is None:
            break
        reached.append(int(place))
        if page.evaluate("document.activeElement.closest('.timestamp-main') !== null") and not page.evaluate(OUTLINED):
            unmarked.append(page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    assert reached == wanted
    assert unmarked == []


def test_the_arrow_keys_follow_a_chart(looker):
    page = looker.open("?range=1h")
    canvas = page.locator("#latency .timestamp-canvas")
    rows = page.locator("#latency tbody tr").evaluate_all(
        "rows => rows.map((row) => Array.from(row.children, (cell) => cell.textContent))"
    )
    focus_by_keyboard(page, "#latency .timestamp-canvas")
    for key, index in [("ArrowLeft", -2), ("ArrowLeft", -3), ("ArrowRight", -2), ("PageDown", -12), ("Home", 0)]:
        page.keyboard.press(key)
        row = rows[index]
        said = text_of(page.locator("#latency .timestamp-readout"))
        assert all(cell in said for cell in row), key
        assert canvas.get_attribute("aria-valuetext").startswith(row[0])
    page.keyboard.press("End")
    assert canvas.get_attribute("aria-valuenow") == str(len(rows) - 1)
    page.keyboard.press("Escape")
    assert page.locator(".timestamp-readout").count() == 0


def test_the_crosshair_stands_on_the_chart_and_on_its_neighbours(looker):
    page = looker.open("?range=1h")
    data = json.loads(page.locator("#latency").get_attribute("data-chart"))
    box = page.locator("#latency .timestamp-plot").bounding_box()
    index = 20
    share = (data["times"][index] + data["step"] / 2 - data["since"]) / (data["until"] - data["since"])
    page.mouse.move(box["x"] + share * box["width"], box["y"] + 50)
    for key in ("latency", "errors", "rates"):
        assert page.locator(f"#{key} .timestamp-cross").get_attribute("x1") == pytest.approx(f"{share * 100}%")
    head = page.locator("#latency tbody tr").nth(index).locator("th").text_content()
    assert page.locator("#latency .timestamp-readout b").inner_text() == head
    assert page.locator("#errors .timestamp-readout").count() == 0
    assert page.evaluate(SIDEWAYS) == []


@pytest.mark.parametrize("width", [1280, 375])
def test_the_readout_stays_within_the_window_at_both_ends(looker, width):
    page = looker.open("?range=1h", width=width)
    focus_by_keyboard(page, "#latency .timestamp-canvas")
    for key in ("Home", "End"):
        page.keyboard.press(key)
        box = page.locator("#latency .timestamp-readout").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert page.evaluate(SIDEWAYS) == []


def test_a_range_is_picked_by_keys(looker):
    page = looker.open("?range=1h&model=shop.order")
    data = json.loads(page.locator("#latency").get_attribute("data-chart"))
    focus_by_keyboard(page, "#latency .timestamp-canvas")
    page.keyboard.press("PageDown")
    for _ in range(10):
        page.keyboard.press("Shift+ArrowLeft")
    assert page.locator("#latency .timestamp-canvas").get_attribute("aria-valuetext").startswith("Range chosen: ")
    assert page.locator("#latency .timestamp-stretch").count() == 1
    with page.expect_navigation():
        page.keyboard.press("Enter")
    asked = {key: value[0] for key, value in parse_qs(urlsplit(page.url).query).items()}
    assert (asked["range"], asked["model"]) == ("own", "shop.order")
    shown = json.loads(page.locator("#latency").get_attribute("data-chart"))
    last = len(data["times"]) - 11
    assert (shown["times"][0], shown["times"][-1]) == (data["times"][last - 10], data["times"][last])


def test_a_range_is_picked_by_mouse(looker):
    page = looker.open("?range=6h")
    data = json.loads(page.locator("#rates").get_attribute("data-chart"))
    plot = page.locator("#rates .timestamp-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    assert page.locator("#rates .timestamp-stretch").count() == 1
    with page.expect_navigation():
        page.mouse.up()
    shown = json.loads(page.locator("#rates").get_attribute("data-chart"))
    span = data["until"] - data["since"]
    assert shown["since"] == pytest.approx(data["since"] + span * 0.25, abs=120)
    assert shown["until"] == pytest.approx(data["since"] + span * 0.5, abs=120)


def focus_by_keyboard(page, selector):
    """Come to an element by the Tab key, from what stands before it."""
    page.locator(selector).evaluate("""(each) => {
        const all = Array.from(document.querySelectorAll("a[href], summary, [tabindex='0']"));
        all[all.indexOf(each) - 1].focus();
    }""")
    page.keyboard.press("Tab")
    assert page.locator(selector).evaluate("each => document.activeElement === each")


# The table.


@pytest.mark.parametrize(("column", "first"), [("Count", "descending"), ("p95", "descending"), ("Model", "ascending")])
def test_the_table_is_sorted_by_the_heads_of_its_columns(looker, column, first):
    page = looker.open()
    table = page.locator(".timestamp-operations")
    other = {"ascending": "descending", "descending": "ascending"}[first]
    for wanted in (first, other):
        with page.expect_navigation():
            table.get_by_role("link", name=re.compile(f"^{column}")).press("Enter")
        assert "sort=" in page.url
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == wanted
        told = [figure_of(text) for text in cells_of(table, column)]
        assert told == sorted(told, reverse=wanted == "descending")


def cells_of(table, column):
    return table.locator(f"tbody [data-label='{column}']").all_inner_texts()


def figure_of(text):
    """Return what a cell says, so that it can be compared: seconds, a count or the text itself."""
    number, _, unit = text.replace("\xa0", " ").replace("△ ", "").strip().partition(" ")
    factors = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
    if re.fullmatch(r"[\d.,]+[kM]?", number) and unit in factors:
        return float(number.replace(",", "").rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(number[-1], 1) * factors[unit]
    return "" if text == "–" else text


# Without a script.


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_there_without_a_script(looker, name):
    page = looker.open(name, java_script_enabled=False)
    assert page.locator(".timestamp-live").is_hidden()
    if page.locator("figure[data-chart]").count():
        assert page.locator("figure[data-chart] .timestamp-plot").first.is_visible()
        page.locator("figure[data-chart] details summary").first.click()
        assert page.locator("figure[data-chart] details table").first.is_visible()


def test_filters_and_ranges_need_no_script(looker):
    page = looker.open(java_script_enabled=False)
    page.get_by_label("Model", exact=False).first.select_option("shop.customer")
    follow(page, page.get_by_role("button", name="Filter"))
    assert "model=shop.customer" in page.url
    rows = page.locator(".timestamp-operations tbody tr")
    assert set(rows.locator("th").all_inner_texts()) == {"shop.customer"}
    follow(page, page.locator(".timestamp-ranges a", has_text="6").first)
    assert "range=6h" in page.url
    assert "model=shop.customer" in page.url
    page.locator(".timestamp-own summary").click()
    page.locator("input[name=from]").fill("2026-01-02T03:04")
    page.locator("input[name=to]").fill("2026-01-02T05:04")
    follow(page, page.locator(".timestamp-own-form button"))
    assert "Nothing in this range" in page.locator("#content").inner_text()


# Who may.


@pytest.mark.parametrize("name", PAGES)
def test_whoever_lacks_the_permission_is_refused(looker, name):
    page = looker.page(user="nobody")
    assert page.goto(DASHBOARD + PAGES[name]).status == 403
    # What Chromium says of the status.
    looker.complaints.clear()
    page.goto("/admin/")
    assert page.get_by_role("link", name="Dashboard").count() == 0


def test_whoever_may_see_the_figures_alone_sees_no_keys_reasons_and_errors(looker):
    page = looker.page(user="viewer")
    for name, address in PAGES.items():
        assert page.goto(DASHBOARD + address).status == 200
        text = page.locator("body").inner_text()
        for secret in ("shop.order:", "shipped", "insufficient funds", "smtp.example.org"):
            assert secret not in text, name
        for action in ("Retry …", "Skip …", "Silence …"):
            assert page.get_by_role("link", name=action).count() == 0, (name, action)


def test_whoever_is_not_logged_in_is_asked_to(looker):
    page = looker.page(user=None)
    page.goto(DASHBOARD)
    assert "/admin/login/" in page.url
