"""How good the defaults are on many tables, beside the best simple methods.

make tables                             all that is not in the journal yet, then the page
make tables ONLY="imputation" TABLES="wdbc digits" SEEDS=1
make tables AGAIN="narrows PCA"         these methods' figures anew, the others' from the journal
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tables import anomalies, compression, imputation, page, sources, views
from tables.journal import Journal

DOCS = Path(__file__).parents[2] / "docs"
# Of wide tables, single cells are not imputed one by one: kNN and MICE would take hours.
MOST_COLUMNS = 700


def _imputed(table: sources.Table, seeds: int, journal: Journal) -> None:
    if table.X.shape[1] <= MOST_COLUMNS:
        few = table.X.shape[1] > 100
        imputation.run(table, seeds, journal, shares=(0.3,) if few else imputation.SHARES)


def _viewed(table: sources.Table, seeds: int, journal: Journal) -> None:
    if table.views:
        views.run(table, seeds, journal)


CODES = {"mfeat": (8, 32), "digits": (2, 8), "wdbc": (2, 8), "satimage": (2, 8), "mnist3k": (8, 32)}


def _coded(table: sources.Table, seeds: int, journal: Journal) -> None:
    if table.name in CODES:
        views.codes(table, CODES[table.name], seeds, journal)


TASKS: dict[str, tuple[Callable[[], Any], Callable[..., None]]] = {
    "compression": (sources.numeric, compression.run),
    "views": (sources.numeric, _viewed),
    "codes": (sources.numeric, _coded),
    "imputation": (sources.numeric, _imputed),
    "mixed": (sources.mixed, imputation.run_mixed),
    "anomalies": (sources.anomalies, anomalies.run),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--tables", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--again", action="append", default=[], metavar="METHOD")
    parser.add_argument("--journal", type=Path, default=DOCS / "benchmarks" / "tables.jsonl")
    arguments = parser.parse_args()
    journal = Journal(arguments.journal, tuple(arguments.again))
    for name in arguments.only:
        make, run = TASKS[name]
        for table_name, maker in make().items():
            if arguments.tables and table_name not in arguments.tables:
                continue
            started = time.perf_counter()
            table = maker()
            run(table, arguments.seeds, journal)
            print(f"{name}: {table}, {time.perf_counter() - started:.0f} s", flush=True)
        if name == "codes":
            views.factors(arguments.seeds, journal)
    if arguments.journal.parent.name == "benchmarks":
        picture = DOCS / "pictures" / "tables.svg"
        page.write(journal, DOCS / "quality.md", picture, arguments.only)
    for part in arguments.only:
        print("\n".join(["", *page.PARTS[part](journal)]))


if __name__ == "__main__":
    main()
