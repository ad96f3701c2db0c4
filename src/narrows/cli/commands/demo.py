"""``narrows demo``: two real data sets fused, and reports to open."""

from __future__ import annotations

from pathlib import Path

import click

from narrows.cli import options
from narrows.cli.verb import verb


@verb(name="demo")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    default="demo",
    show_default=True,
    help="Where to leave the results.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same results.")
@options.QUIET
@options.TRACEBACK
def command(output: str, seed: int, quiet: bool) -> None:
    """Fuse the breast-cancer table and the 8x8 digits, and compare with PCA on held-out rows."""
    from narrows.cli import demonstration

    demonstration.run(Path(output), quiet=quiet, seed=seed)
