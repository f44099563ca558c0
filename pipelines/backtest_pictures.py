"""Pictures of a backtest as inline SVG, the same bytes each time; needs Matplotlib."""

import re
from io import StringIO
from typing import Any

import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from transforms.compiler.offer_definitions import GATES

COLOURS = {"A": "#4c72b0", "B": "#dd8452"}
"""Of the two sides; told apart without colour vision, too."""

MOST_DATES = 10
"""How many days are named below a picture."""

MOST_MARKED = 62
"""How many days have a mark each on the line."""

_SETTINGS: Any = {"svg.hashsalt": "segone", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}
_NO_METADATA: Any = {"Date": None, "Creator": None, "Format": None, "Type": None}
_IDS = re.compile(r'(\bid="|href="#|url\(#)')


def offers_by_day(days: pl.DataFrame) -> Figure:
    """Draw how many offers each side sent by day.

    Args:
        days: As `backtest_counts.days` gives, a row at least; days between without a row are 0.
    """
    with rc_context(_SETTINGS):
        figure, axes = _axes(3.0)
        every = days.upsample("day", every="1d").fill_null(0)
        few = len(every) <= MOST_MARKED
        for side, marker, line in (("A", "o", "-"), ("B", "s", "--")):
            sent = every[f"sent_{side.lower()}"].to_list()
            axes.plot(sent, color=COLOURS[side], marker=marker if few else "", linestyle=line, markersize=3, label=side)
        step = -(-len(every) // MOST_DATES)
        axes.set_xticks(range(0, len(every), step), every["day"].dt.to_string("%d %b\n%Y")[::step].to_list())
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_ylabel("offers sent")
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        _legend(figure)
        return figure


def blocks_by_gate(gates: pl.DataFrame) -> Figure:
    """Draw how many candidates each side blocked or deferred at each gate, the gates from the top in their order.

    Args:
        gates: As `backtest_counts.gates` gives.
    """
    stopped = gates.filter(pl.col("result") != "passed").group_by("gate").agg(pl.col("^candidates_.*$").sum())
    found = {gate: (a, b) for gate, a, b in stopped.select("gate", "candidates_a", "candidates_b").iter_rows()}
    names = [gate for gate in GATES if gate in found]
    with rc_context(_SETTINGS):
        figure, axes = _axes(0.9 + 0.45 * len(names))
        for offset, (side, colour) in enumerate(COLOURS.items()):
            places = [row + 0.4 * (offset - 0.5) for row in range(len(names))]
            bars = axes.barh(places, [found[gate][offset] for gate in names], 0.36, color=colour, label=side)
            axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.set_xlabel("candidates blocked or deferred")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        _legend(figure)
        return figure


def svg_of(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an element of a page.

    Args:
        figure: What is drawn.
        name: What the ids in it begin with: on one page they must differ from those of others.
        title: What it shows, for those who do not see it; plain text.
    """
    written = StringIO()
    with rc_context(_SETTINGS):
        figure.savefig(written, format="svg", metadata=_NO_METADATA)
    _, begin, rest = written.getvalue().partition("<svg ")
    own = _IDS.sub(rf"\g<1>{name}-", begin + rest)
    return own.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1).strip()


def _legend(figure: Figure) -> None:
    figure.legend(frameon=False, ncols=2, loc="outside upper right")


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, height), layout="constrained")
    axes = figure.subplots()
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    return figure, axes
