import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import find

from django_clean_timestamps.admin.charts.heat_map import SHADE_COUNT
from django_clean_timestamps.admin.charts.values import STYLE_COUNT

GROUNDS = {"light": "#ffffff", "dark": "#121212"}
TEXTS = {"--timestamp-ink", "--timestamp-quiet"}
FAINT = {"--timestamp-ground", "--timestamp-hairline", "--timestamp-shadow"}


@pytest.fixture(scope="module")
def style():
    return Path(find("clean_timestamps/charts.css")).read_text()


def luminance(colour):
    colour = colour.lstrip("#")
    colour = "".join(digit * 2 for digit in colour) if len(colour) == 3 else colour
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palettes(style):
    """Return the colours of each block that has all of them: light, dark by the system, dark by choice."""
    blocks = re.findall(r"\{([^{}]*--timestamp-shade-1:[^{}]*)\}", style)
    return [dict(re.findall(r"(--[\w-]+):\s*(?:var\([\w-]+,\s*)?(#\w+)", block)) for block in blocks]


def test_dark_is_the_same_by_the_system_and_by_choice(style):
    light, system, choice = palettes(style)
    assert system == choice
    assert light.keys() == system.keys()


@pytest.mark.parametrize("theme", GROUNDS)
def test_everything_stands_out_from_the_ground(style, theme):
    colours = palettes(style)[list(GROUNDS).index(theme)]
    assert colours.keys() > TEXTS | FAINT
    for name, colour in colours.items():
        if name not in FAINT:
            assert contrast(colour, GROUNDS[theme]) >= (4.5 if name in TEXTS else 3), name


@pytest.mark.parametrize("theme", GROUNDS)
def test_what_is_drawn_over_a_gap_stands_out_from_its_shade(style, theme):
    colours = palettes(style)[list(GROUNDS).index(theme)]
    assert contrast(colours["--timestamp-quiet"], colours["--timestamp-shadow"]) >= 4.5
    for level in ("--timestamp-warning", "--timestamp-critical"):
        assert contrast(colours[level], colours["--timestamp-shadow"]) >= 3


def test_every_colour_of_the_admin_has_a_second_one(style):
    for name, second in re.findall(r"var\((--[\w-]+)(,[^)]*)?\)", style):
        assert second or name.startswith("--timestamp-")


def test_lines_differ_by_dash_and_width_and_not_by_colour_alone(style):
    looks = set()
    for number in range(1, STYLE_COUNT + 1):
        block = re.search(rf"^\.timestamp-line-{number} \{{([^}}]*)\}}", style, re.MULTILINE)[1]
        found = [re.search(rf"{name}: ([^;]*);", block) for name in ("stroke-width", "stroke-dasharray")]
        looks.add(tuple(match and match[1] for match in found))
    assert len(looks) == STYLE_COUNT


def test_there_is_a_rule_for_each_shade_and_band(style):
    for number in range(1, SHADE_COUNT + 1):
        assert f".timestamp-shade-{number} {{" in style
    for number in range(1, STYLE_COUNT + 1):
        assert f".timestamp-band.timestamp-line-{number} {{" in style


def test_print_forced_colours_and_narrow_pages_are_thought_of(style):
    for query in ("@media print", "@media (forced-colors: active)", "@media (max-width: 640px)"):
        assert query in style


def test_nothing_moves(style):
    assert not re.search(r"\b(transition|animation|@keyframes)\b", style)
