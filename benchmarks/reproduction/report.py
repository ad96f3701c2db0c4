"""Report: tables of published and own figures, and pictures, as Markdown and SVG."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matplotlib import rc_context
from matplotlib.figure import Figure

INK = "#24303c"
COLOURS = ("#0b6e99", "#d9822b", "#4b8b3b", "#8a5a9e")
HEADER = ("", "published", "narrows", "over seeds", "gap", "why")


@dataclass(frozen=True)
class Picture:
    """A figure of the page: a file name's end, what it shows, and how to draw it."""

    name: str
    caption: str
    draw: Callable[[Figure], None]
    size: tuple[float, float] = (7.0, 3.6)

    def svg(self) -> str:
        """Return the drawing; the same findings give the same bytes."""
        figure = Figure(figsize=self.size, layout="constrained")
        self.draw(figure)
        buffer = io.StringIO()
        with rc_context({"svg.hashsalt": self.name}):
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        lines = buffer.getvalue().splitlines()
        return "\n".join(line.rstrip() for line in lines) + "\n"


@dataclass
class Section:
    """One experiment's part of the page: Markdown paragraphs and tables, and pictures."""

    parts: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


def compare(
    name: str,
    published: float | None,
    ours: Sequence[float],
    why: str = "",
    *,
    digits: int = 4,
) -> tuple[str, ...]:
    """Return a table row: the published figure, our mean, our extremes over seeds, and the gap."""
    mean = statistics.mean(ours)
    spread = f"{min(ours):.{digits}f} to {max(ours):.{digits}f}" if len(ours) > 1 else "one seed"
    known = published is not None
    return (
        name,
        f"{published:.4g}" if known else "",
        f"{mean:.{digits}f}",
        spread,
        f"{mean / published - 1:+.0%}".replace("%", " %") if known else "",
        why,
    )


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_seed(found: dict, name: str, key: str) -> list[float]:
    """Return a figure of the cells "name, seed s", in the order of the seeds."""
    cells = {
        int(cell.rpartition(" ")[2]): result[key]
        for cell, result in found.items()
        if cell.rpartition(", seed ")[0] == name
    }
    return [cells[seed] for seed in sorted(cells)]
