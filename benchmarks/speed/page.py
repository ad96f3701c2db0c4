"""Page: docs/benchmarks.md, of which each command writes its own sections and leaves the others."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "benchmarks.md"
ORDER = (
    "Speed",
    "One row",
    "Beside other libraries",
    "Time to quality",
    "Scaling",
    "Where the time goes",
    "On a GPU",
)
HEAD = """# Benchmarks

How fast narrows is beside loops written by hand and beside other libraries, measured in the same
run. Each section says which command wrote it, and on what.
"""


def put(sections: dict[str, str], page: Path = PAGE) -> None:
    """Write sections by title into the page, new ones as `ORDER` has them; all others stay."""
    there = _sections(page.read_text()) if page.exists() else {}
    titles = list(there)
    for title in sorted(sections.keys() - there.keys(), key=ORDER.index):
        later = ORDER[ORDER.index(title) + 1 :]
        places = [place for place, other in enumerate(titles) if other in later]
        titles.insert(min(places, default=len(titles)), title)
    found = {**there, **sections}
    texts = [f"\n## {title}\n\n{found[title].strip()}\n" for title in titles]
    page.write_text(HEAD + "".join(texts))


def _sections(text: str) -> dict[str, str]:
    pieces = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
