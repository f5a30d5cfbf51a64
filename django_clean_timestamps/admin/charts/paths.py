"""
The paths of a drawing that is 1,000 wide and 1,000 high, with 0 at the top, as text.

What is not there is never made up: a path breaks where there is no point, and a point without neighbours is a dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, TypeVar

__all__ = [
    "SIZE",
    "Box",
    "Point",
    "area_path",
    "box_path",
    "dot_path",
    "line_path",
    "path_boxes",
    "path_points",
    "runs",
]

SIZE: Final = 1000.0
"""How wide and high the drawing is in its own units; it is stretched to the size of the page."""

_T = TypeVar("_T")
_BOX: Final = re.compile(r"M([-\d.]+) ([-\d.]+)H([-\d.]+)V([-\d.]+)H[-\d.]+z")


class Point(NamedTuple):
    """A place in the drawing, as shares of it: 0 to 1 from the left, 0 to 1 from the bottom."""

    x: float
    y: float


class Box(NamedTuple):
    """A rectangle in the drawing, as shares of it."""

    left: float
    right: float
    bottom: float
    top: float


def line_path(points: Iterable[Point | None]) -> str:
    """Return the line through points; None breaks it, and a point between two of them is left to :func:`dot_path`."""
    return "".join(f"M{_join(run)}" for run in runs(points) if len(run) > 1)


def dot_path(points: Iterable[Point | None]) -> str:
    """Return lines of no length, which a round end makes dots of, for the points that have no neighbour."""
    return "".join(f"M{_join(run)}h0" for run in runs(points) if len(run) == 1)


def area_path(edges: Iterable[tuple[Point, Point] | None], *, half_width: float) -> str:
    """
    Return the area between two lines.

    Args:
        edges: A lower and an upper point of the same ``x``; None breaks the area.
        half_width: How far one without neighbours reaches to either side, as a share of the drawing.
    """
    drawn = []
    for run in runs(edges):
        if len(run) == 1:
            ((lower, upper),) = run
            left, right = lower.x - half_width, lower.x + half_width
            run = [(Point(x, lower.y), Point(x, upper.y)) for x in (left, right)]  # noqa: PLW2901 - the same, widened
        around = [upper for _, upper in run] + [lower for lower, _ in reversed(run)]
        drawn.append(f"M{_join(around)}z")
    return "".join(drawn)


def box_path(boxes: Iterable[Box]) -> str:
    """Return rectangles."""
    return "".join(
        f"M{_text(left)} {_text(1 - bottom)}H{_text(right)}V{_text(1 - top)}H{_text(left)}z"
        for left, right, bottom, top in boxes
    )


def path_points(path: str) -> list[list[Point]]:
    """
    Return the points that a path goes through, a list for each piece of it: what it was made of, within rounding.

    >>> path_points(line_path([Point(0, 0), Point(0.5, 1), None]))
    [[Point(x=0.0, y=0.0), Point(x=0.5, y=1.0)]]
    """
    pieces = []
    for piece in path.split("M")[1:]:
        numbers = [float(number) / SIZE for number in piece.removesuffix("z").removesuffix("h0").split()]
        pieces.append([Point(x, 1 - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)])
    return pieces


def path_boxes(path: str) -> list[Box]:
    """Return the rectangles that a path draws, within rounding."""
    found = []
    for match in _BOX.finditer(path):
        left, bottom, right, top = (float(number) / SIZE for number in match.groups())
        found.append(Box(left, right, 1 - bottom, 1 - top))
    return found


def runs(values: Iterable[_T | None]) -> Iterator[list[_T]]:
    """Return what stands between the gaps."""
    for is_gap, run in groupby(values, key=lambda value: value is None):
        if not is_gap:
            yield list(run)  # type: ignore[arg-type]


def _join(points: Sequence[Point]) -> str:
    return " ".join(f"{_text(x)} {_text(1 - y)}" for x, y in points)


def _text(share: float) -> str:
    """Return a place in the drawing's own units, to two places: a four-hundredth of a pixel on a wide screen."""
    text = f"{share * SIZE:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
