"""Pages of docs/ whose tables a command here prints: each between marks of its own."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from machine import machine


def replace_part(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->`` by lines."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = page.read_text().split(start)
    body = "\n".join(["", machine(), "", *lines, ""])
    page.write_text(before + start + body + end + rest.split(end)[1])


def print_part(description: str | None, page: Path, name: str, lines: Iterable[str]) -> None:
    """Print lines as they come; with ``--write``, put them into a part of a page, too."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help=f"put it into {page.name}")
    write, printed = parser.parse_args().write, []
    for line in lines:
        print(line, flush=True)
        printed.append(line)
    if write:
        replace_part(page, name, printed)
