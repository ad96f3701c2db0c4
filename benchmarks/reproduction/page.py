"""Page: docs/reproduction.md and its pictures, from the recorded findings alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reproduction.data import ROOT
from reproduction.record import RESULTS, Experiment, Record

DOCS = ROOT / "docs"
_MOST = 11  # more seeds than anybody asks for

_TOP = """\
# Reproduction: published figures, and ours

Made by `make reproduce`, which runs what `benchmarks/reproduction/results/` has no findings of yet
(`make reproduce ONLY="R1 R2"` only these, `AGAIN=1` once more) and writes this page from the
findings there: every figure below is in those files, with its seed, seconds, date and machine.

The published figures on digits are of MNIST's 60,000 training images; ours are of 10,000 of them
(1,000 to 1,100 of each class, drawn once), and of all 10,000 test images. Losses are sums over the
pixels and means over images in narrows; where a figure or a penalty's weight was published beside
a mean over pixels, it is given here in those units, and the text says what we set.
"""


def write(experiments: Iterable[Experiment], docs: Path = DOCS, results: Path = RESULTS) -> Path:
    """Write the page and its pictures; return the page's path."""
    parts = [_TOP]
    for experiment in experiments:
        parts.append(f"## {experiment.key}: {experiment.title}\n")
        record = Record(experiment.store, results)
        parts.append(
            _part(experiment, record, docs) if _begun(experiment, record) else _absent(experiment)
        )
    path = docs / "reproduction.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _begun(experiment: Experiment, record: Record) -> bool:
    """Return whether all cells of one seed are there."""
    return all(name in record.cells for name in experiment.cells(record.found, 1))


def _part(experiment: Experiment, record: Record, docs: Path) -> str:
    section = experiment.section(record.found)
    lines = [f"{part}\n" for part in section.parts]
    for picture in section.pictures:
        path = docs / "pictures" / f"reproduction-{picture.name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture.svg(), encoding="utf-8")
        lines.append(f"![{picture.caption}](pictures/{path.name})\n")
    return "\n".join([*lines, _provenance(experiment, record)])


def _provenance(experiment: Experiment, record: Record) -> str:
    """Return where, when and how long: of the cells of this experiment alone."""
    named = {name for n in range(1, _MOST) for name in experiment.cells(record.found, n)}
    cells = [cell for name, cell in record.cells.items() if name in named]
    dates = sorted({cell["date"] for cell in cells})
    seeds = sorted({int(name.rpartition(" ")[2]) for name in named if name in record.cells})
    seconds = sum(cell["seconds"] for cell in cells)
    machines = "; ".join(dict.fromkeys(cell["machine"] for cell in cells))
    return (
        f"<sub>{len(cells)} fits, seeds {', '.join(map(str, seeds))}, {seconds:.0f} s in all, "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}; {machines}.</sub>\n"
    )


def _absent(experiment: Experiment) -> str:
    return f'Not run yet: `make reproduce ONLY="{experiment.key}"`.\n'
