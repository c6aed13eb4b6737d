"""A figure as what it shows: series with their paints, axes, titles. `interactive` and `png` draw it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import yaml

from lic_lightning.evaluation.anchors import names
from lic_lightning.evaluation.curve import Curve

# Name → colour by light and by dark ground
PALETTE: dict[str, tuple[str, str]] = yaml.safe_load((Path(__file__).parent / "templates" / "palette.yaml").read_text())
# Marker as plotly names it → as matplotlib does
SYMBOLS = {"circle": "o", "diamond": "D", "triangle-up": "^", "cross": "P", "square": "s", "triangle-down": "v"}
SYMBOLS |= {"hexagon": "h", "star": "*", "pentagon": "p", "x": "X", "star-diamond": "d", "hourglass": "8"}
SYMBOLS |= {"asterisk-open": "1", "bowtie": "<", "square-open": "H"}
TUNED_PAINTS = 8  # then they repeat, with another marker
REFERENCE_SYMBOLS = ("square", "hexagon", "star", "pentagon")
TUNED_SYMBOLS = ("circle", "diamond", "triangle-up", "cross")
CLASSIC_SYMBOLS = {"jpeg": "triangle-up", "webp": "triangle-down", "jpeg2000": "hexagon", "avif": "star"}
PUBLISHED_SYMBOLS = ("x", "cross", "star-diamond", "hourglass", "asterisk-open", "bowtie", "square-open")


@dataclass(frozen=True)
class Paint:
    """How one curve looks in every figure: a name of `PALETTE`, one of `SYMBOLS`, "solid", "dash" or "dot"."""

    colour: str
    symbol: str = "circle"
    dash: str = "solid"


@dataclass(frozen=True)
class Series:
    """Points of one name.

    Attributes:
        width: of the line through them, in pixels; 0 for none.
        size: of their markers; 0 for none.
        error: half the height of a bar at each point.
        hover: lines of text on each point.
        legend: False for what belongs to the series before it.
        level: no points, but a line at the one `y` over the whole width.
        ring: index of a point that is marked.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    paint: Paint
    width: float = 2.2
    size: float = 8
    opacity: float = 1.0
    error: Sequence[float] = ()
    hover: Sequence[Sequence[str]] = ()
    legend: bool = True
    level: bool = False
    ring: int | None = None


@dataclass(frozen=True)
class Figure:
    """Series on two axes with their titles; `alt` says what it shows to who can't see it.

    Attributes:
        x_range, y_range: of the axes; None spans what is there.
        zero: draws a line at y = 0.
        note: to stand beneath.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    alt: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    zero: bool = False
    note: str = ""


def paints(found: Sequence[Curve]) -> dict[str, Paint]:
    """Curve id → paint, published curves too; a curve has the same in every figure of a report."""
    chosen: dict[str, Paint] = {}
    tuned, references = (dict.fromkeys(c.id for c in found if c.role == role) for role in ("tuned", "reference"))
    for name, symbol in zip(references, cycle(REFERENCE_SYMBOLS), strict=False):
        chosen[name] = Paint("reference", symbol, "dash")
    for index, name in enumerate(tuned):
        symbol = TUNED_SYMBOLS[index // TUNED_PAINTS % len(TUNED_SYMBOLS)]
        chosen[name] = Paint(f"tuned-{index % TUNED_PAINTS}", symbol)
    for curve in found:
        if curve.role == "classic":
            colour = f"classic-{curve.codec}"
            colour = colour if colour in PALETTE else "published"
            chosen[curve.id] = Paint(colour, CLASSIC_SYMBOLS.get(curve.codec, "pentagon"), "dot")
    for name, symbol in zip(names(), PUBLISHED_SYMBOLS, strict=True):
        chosen[name] = Paint("published", symbol, "dot")
    return chosen


def palette_css() -> str:
    """The palette as the page's variables, by theme."""
    light, dark = ("; ".join(f"--{name}: {both[side]}" for name, both in PALETTE.items()) for side in (0, 1))
    dark_theme = f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme='light']) {{ {dark} }} }}"
    return f":root {{ {light} }}\n{dark_theme}\n"
