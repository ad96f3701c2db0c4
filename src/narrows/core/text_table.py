"""Small tables as text and as HTML, for `print` and for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence

RULE = "border: none; border-bottom: 1px solid; padding: .2em .7em; "


def as_text(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as lines: the first two columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in [headings, *rows]:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_html(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str = "",
    *,
    all_left: bool = False,
) -> str:
    """Return a table as HTML, its columns as `as_text` has them, or all of them to the left.

    Nothing of a cell is taken for a tag.
    """
    sides = ["left" if all_left or place < 2 else "right" for place in range(len(headings))]
    head = "".join(map(_cell, ["th"] * len(sides), headings, sides))
    lines = ("".join(map(_cell, ["td"] * len(sides), row, sides)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, text: str, side: str) -> str:
    return f'<{tag} style="{RULE}text-align: {side}">{html.escape(text)}</{tag}>'
