"""Pages of docs/ whose tables a command here prints: each between marks of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from machine import machine


def replace_part(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->`` by lines."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = page.read_text().split(start)
    body = "\n".join(["", machine(), "", *lines, ""])
    page.write_text(before + start + body + end + rest.split(end)[1])
