"""Each page as it looks: in light and dark, wide and narrow, from left to right and from right to left."""

import pytest

from tests.browser.looking import DASHBOARD, HEIGHTS, PAGES, SIDEWAYS

THEMES = ("light", "dark", "toggled")

LUMINANCE = """() => {
    const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}"""

MISPLACED_STOPS = """() => {
    const walker = document.createTreeWalker(document.getElementById("timestamp-figures"), NodeFilter.SHOW_TEXT);
    const edges = (node, place) => {
        const range = document.createRange();
        range.setStart(node, place);
        range.setEnd(node, place + 1);
        return range.getBoundingClientRect();
    };
    const found = { right: 0, wrong: [] };
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const text = node.data.trimEnd();
        if (!/[a-z0-9]\\.$/i.test(text) || !node.parentElement.checkVisibility()) continue;
        const [last, stop] = [edges(node, text.length - 2), edges(node, text.length - 1)];
        if (stop.left >= last.right - 1) found.right += 1;
        else found.wrong.push(text.trim());
    }
    return found;
}"""
"""English sentences whose full stop stands before them."""

MEETING_LABELS = """() => Array.from(document.querySelectorAll(".timestamp-plot")).flatMap((plot) => {
    const boxes = Array.from(plot.querySelectorAll("text.timestamp-below"), (text) => text.getBoundingClientRect())
        .filter((box) => box.width).sort((one, other) => one.left - other.left);
    return boxes.slice(1).filter((box, place) => box.left < boxes[place].right + 2)
        .map((box) => `${plot.closest("figure").id} at ${Math.round(box.left)}`);
})"""
"""Labels below a chart that another one reaches."""


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("name", PAGES)
def test_it_looks_as_the_viewer_wants_it(looker, screenshots, name, language):
    page = looker.open(name, language=language)
    assert page.evaluate("getComputedStyle(document.body).direction") == ("rtl" if language == "ar" else "ltr")
    for theme in THEMES:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        if theme == "toggled":
            page.locator("button.theme-toggle:visible").first.click()
            assert page.locator("html").get_attribute("data-theme") == "dark"
        assert (page.evaluate(LUMINANCE) < 0.5) == (theme != "light"), theme
        for width, height in HEIGHTS.items():
            page.set_viewport_size({"width": width, "height": height})
            path = screenshots / f"{name}-{theme}-{width}-{language}.png"
            # The admin lets colours change slowly.
            page.screenshot(path=path, full_page=True, animations="disabled")
            assert page.evaluate(SIDEWAYS) == [], (theme, width)


@pytest.mark.parametrize("name", ["alerts", "deliveries", "health"])
def test_a_sentence_from_left_to_right_ends_with_its_full_stop_among_those_from_right_to_left(looker, name):
    found = looker.open(name, language="ar").evaluate(MISPLACED_STOPS)
    assert found["right"] > 0
    assert found["wrong"] == []


def test_no_time_of_a_process_is_broken_into_lines(looker):
    page = looker.open("health")
    lines = page.locator(".timestamp-events time").evaluate_all(
        "found => found.map((each) => each.getClientRects().length)"
    )
    assert len(lines) > 6
    assert set(lines) == {1}


def test_every_label_of_a_timeline_keeps_off_the_next_one(looker):
    page = looker.open("alerts")
    boxes = [each.bounding_box() for each in page.locator(".timestamp-lane-label").all()]
    lanes = [each.bounding_box() for each in page.locator(".timestamp-lane").all()]
    assert len(boxes) == len(lanes) == 5
    for box, lane in zip(boxes, lanes, strict=True):
        assert lane["y"] <= box["y"]
        assert box["y"] + box["height"] <= lane["y"] + lane["height"]


@pytest.mark.parametrize(
    ("name", "width"), [("1h", 1280), ("1h", 375), ("6h", 375), ("24h", 1280), ("7d", 1280), ("30d", 375)]
)
def test_no_range_is_too_wide_nor_do_its_labels_meet(looker, screenshots, name, width):
    page = looker.open(f"?range={name}", width=width)
    page.screenshot(path=screenshots / f"overview_{name}-light-{width}-en.png", full_page=True)
    assert page.evaluate(SIDEWAYS) == []
    assert page.evaluate(MEETING_LABELS) == []


def test_a_range_that_means_nothing_is_told(looker):
    page = looker.page(width=375)
    assert page.goto(DASHBOARD + "?range=99h").status == 400
    # What Chromium says of the status.
    assert len(looker.complaints) == 1
    looker.complaints.clear()
    assert "The range is none of" in page.locator(".errornote").inner_text()
    assert page.evaluate(SIDEWAYS) == []


@pytest.mark.parametrize("name", ["overview", "operation"])
def test_it_prints_without_its_controls(looker, screenshots, name):
    page = looker.open(name)
    page.emulate_media(media="print")
    for control in (".timestamp-live", ".timestamp-controls", ".timestamp-file"):
        assert page.locator(f"{control}:visible").count() == 0, control
    assert page.locator("#timestamp-figures").is_visible()
    page.pdf(path=screenshots / f"{name}.pdf", print_background=False)
    assert page.evaluate(SIDEWAYS) == []
