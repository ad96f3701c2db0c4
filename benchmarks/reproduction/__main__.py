"""Run experiments that have no findings yet, and write docs/reproduction.md."""

from __future__ import annotations

import argparse

from reproduction import page
from reproduction.catalogue import EXPERIMENTS
from reproduction.data import AbsentError
from reproduction.record import Record, pursue


def main() -> None:
    """Run all or the chosen experiments one after another, then write the page."""
    parser = argparse.ArgumentParser(prog="reproduction", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    parser.add_argument("--again", action="store_true", help="run what has findings once more")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of each fit")
    parser.add_argument("--page", action="store_true", help="run nothing, only write the page")
    arguments = parser.parse_args()
    unknown = [key for key in arguments.only if key not in EXPERIMENTS]
    if unknown:
        parser.error(f"no experiment {', '.join(unknown)}; choose from {', '.join(EXPERIMENTS)}")
    for key in [] if arguments.page else arguments.only or EXPERIMENTS:
        experiment = EXPERIMENTS[key]
        try:
            pursue(experiment, Record(experiment.store), arguments.seeds, again=arguments.again)
        except AbsentError as error:
            print(f"{key}: left out: {error}", flush=True)
    print(page.write(EXPERIMENTS.values()))


if __name__ == "__main__":
    main()
