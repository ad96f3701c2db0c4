"""``narrows explain``: what of a table a model's code keeps, and which columns move it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import click

from narrows.cli import options
from narrows.cli import output as out
from narrows.cli.verb import verb
from narrows.core.harmless import harmless
from narrows.core.types import Json


@verb(name="explain")
@options.MODEL
@options.DATA
@click.option(
    "--train",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="What the model was fitted to, for a PCA of equal size beside it (may be repeated).",
)
@click.option("--top", default=5, show_default=True, help="Columns to list for each component.")
@options.ON
@options.selection
@options.JSON
@options.QUIET
@options.TRACEBACK
def command(
    *,
    model: str,
    data: tuple[str, ...],
    train: tuple[str, ...],
    top: int,
    as_json: bool,
    quiet: bool,
    **selection: Any,
) -> None:
    """Say what of DATA the code of MODEL keeps, view by view, and which columns move it.

    DATA are best rows that fit did not see: of those it did, a code explains more than of any
    other. The model knows which it has seen, and the title says how many.

    \b
    narrows explain model held_out.csv --train patients.csv
    """
    from narrows.cli import apply, models
    from narrows.errors import SeenRowsWarning

    fitted = models.load(model)
    rows = apply.read(fitted, data, quiet=quiet, **selection).rows
    known = apply.read(fitted, train, quiet=quiet, **selection).rows if train else None
    given = models.accepted(fitted, rows)
    before = None if known is None else models.accepted(fitted, known)
    seen = models.seen(fitted, given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeenRowsWarning)  # the title says so
        explained = fitted.explained_variance(given, train=before)
    importance = {
        component: fitted.feature_importance(given, component)
        for component in range(fitted.n_components_)
    }
    if as_json:
        told = {"rows": seen.n_rows, "rows_told": seen.n_told, "rows_seen_in_fit": seen.n_seen}
        out.json_object({**told, "explained_variance": explained, "feature_importance": importance})
        return
    of = "held-out " if seen.held_out else ""
    remark = "" if seen.held_out else f"\n{seen} seen in fit"
    title = f"share of the {of}variance that the code keeps{remark}"
    names = [str(name) for name in fitted.get_feature_names_out()]
    _show_variance(explained, title, names, with_pca=before is not None)
    _show_importance(importance, names, top)


def _show_variance(
    explained: list[Json], title: str, names: Sequence[str], *, with_pca: bool
) -> None:
    from rich.markup import escape
    from rich.table import Table

    views = list(dict.fromkeys(row["view"] for row in explained))
    whats = list(dict.fromkeys(row["component"] for row in explained))
    cells = {(row["view"], row["component"]): row for row in explained}
    grid = Table(title=title)
    grid.add_column("view")
    for what in whats:
        grid.add_column(names[what] if isinstance(what, int) else what, justify="right")
        if with_pca and what == "total":
            grid.add_column("PCA total", justify="right")
    for view in views:
        shown = []
        for what in whats:
            row = cells.get((view, what))
            shown.append("" if row is None else f"{row['explained']:.1%}")
            if with_pca and what == "total":
                shown.append("" if row is None else f"{row['pca']:.1%}")
        grid.add_row(escape(harmless(view)), *shown)
    out.table(grid)


def _show_importance(importance: dict[int, list[Json]], names: Sequence[str], top: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    grid = Table(title="columns that move each component most")
    for heading in ("component", "columns"):
        grid.add_column(heading, overflow="fold")
    for component, rows in importance.items():
        listed = ", ".join(f"{row['column']} ({row['importance']:.2f})" for row in rows[:top])
        grid.add_row(names[component], escape(harmless(listed)))
    out.table(grid)
