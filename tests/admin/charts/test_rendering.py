import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from django.utils import timezone, translation
from django.utils.safestring import SafeString

from django_clean_timestamps.admin.charts import Line, render, summary_of
from tests.admin.charts.examples import (
    ONE_OF_EACH,
    WARNING,
    bar_list,
    episodes,
    heat_map,
    histogram,
    lines_of,
    sparkline,
    text_of,
)

each_chart = pytest.mark.parametrize("chart", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
EVIL = '"><script>alert(1)</script>'


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def root_of(page):
    """Return the page as a tree, which fails where a tag is not closed."""
    text = re.sub(r"\s(focusable)(?=[\s/>])", "", page).replace("&nbsp;", " ")
    return ET.fromstring(f"<div>{text}</div>")


@each_chart
def test_the_page_is_well_formed(chart):
    assert isinstance(render(chart), SafeString)
    assert len(root_of(render(chart))) == 1


@each_chart
def test_a_strict_content_security_policy_holds(chart):
    for tag, attributes in Page(render(chart)).tags:
        assert tag not in {"script", "style"}
        assert not {name for name in attributes if name == "style" or name.startswith("on")}


@each_chart
def test_every_picture_has_a_name_and_a_sentence(chart):
    tags = Page(render(chart)).tags
    ids = [attributes["id"] for _tag, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes for _tag, attributes in tags if attributes.get("role") == "img"]
    assert len(named) == (0 if chart is ONE_OF_EACH["bars"] else 1)
    for attributes in named:
        assert set(attributes["aria-labelledby"].split()) <= set(ids)
    assert text_of(summary_of(chart)) in text_of(render(chart))


@each_chart
def test_what_is_drawn_outside_the_picture_is_not_read_aloud(chart):
    root = root_of(render(chart))
    for svg in root.iterfind(".//svg"):
        inside = any(svg in parent.iter() for parent in root.iter() if parent.get("role") == "img")
        assert inside or svg.get("aria-hidden") == "true"


@each_chart
def test_only_paths_are_stretched(chart):
    root = root_of(render(chart))
    for svg in root.iterfind(".//svg[@viewBox]"):
        assert svg.get("preserveAspectRatio") == "none"
        assert {child.tag for child in svg} == {"path"}
    for parent in root.iter("svg"):
        for child in parent.findall("text") + parent.findall("line") + parent.findall("rect"):
            assert "viewBox" not in parent.attrib
            places = [child.get(name, "0") for name in ("x", "x1", "x2", "y1", "y2", "width")]
            assert all(re.fullmatch(r"[\d.]+(%|em)?", place) for place in places)


@pytest.mark.parametrize("language", ["de", "fr", "ar", "en"])
@each_chart
def test_places_have_points_in_every_language(chart, language):
    with translation.override(language):
        for _tag, attributes in Page(render(chart)).tags:
            for name in ("x", "y", "x1", "x2", "y1", "y2", "width", "height", "d", "cx", "cy", "dy"):
                assert "," not in attributes.get(name, "")


@pytest.mark.parametrize(
    "chart",
    [
        lines_of([1], title=EVIL, lines=(Line(key="a", label=EVIL, values=(1,)),)),
        bar_list((EVIL, 1)),
    ],
    ids=["lines", "bars"],
)
def test_what_users_wrote_is_escaped(chart):
    page = render(chart)
    assert "script" not in {tag for tag, _attributes in Page(page).tags}
    assert EVIL in text_of(page)


@pytest.mark.parametrize(
    "chart", [ONE_OF_EACH["lines"], ONE_OF_EACH["heat map"], ONE_OF_EACH["histogram"], ONE_OF_EACH["episodes"]]
)
def test_the_same_figures_are_a_table(chart):
    page = render(chart)
    assert page.count("<details") == page.count("<caption") == 1
    assert 'scope="col"' in page
    assert 'scope="row"' in page


def test_one_figure_is_told_in_the_singular():
    assert "The figure as a table, 1 row<" in render(lines_of([1]))
    assert "The figures as a table, 2 rows<" in render(lines_of([1, 2]))


def test_times_are_those_of_the_viewer():
    with timezone.override("Asia/Kathmandu"), translation.override("de"):
        page = render(lines_of(range(1, 61)))
    assert ">17:50<" in page
    assert "Asia/Kathmandu" in page


@pytest.mark.parametrize(
    "chart",
    [
        lines_of([]),
        lines_of([None, None], thresholds=(WARNING,)),
        lines_of([0, 0]),
        lines_of([0, 0], scale="linear"),
        lines_of([5]),
        lines_of([1e100, 1e-300, 0]),
        lines_of([1e100, 1e-300, 0], scale="linear"),
        lines_of([None, 1, None]),
        heat_map(),
        heat_map(None),
        histogram(0, 0, 0),
        histogram(10**15, 0, 0),
        bar_list(),
        episodes(),
        episodes([]),
        sparkline(),
        sparkline(0),
    ],
)
def test_little_nothing_and_much_can_be_drawn(chart):
    assert root_of(render(chart)) is not None
