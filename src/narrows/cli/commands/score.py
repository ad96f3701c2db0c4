"""``narrows score``: a table in, one number per row out."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import options
from narrows.cli import output as out
from narrows.cli.verb import verb
from narrows.core.types import Matrix


@verb(name="score")
@options.MODEL
@options.DATA
@options.ON
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write the scores (CSV to stdout by default)."
)
@options.SAFE_CSV
@options.folder
@click.option("--summary", is_flag=True, help="Print mean and quantiles instead of every row.")
@options.selection
@options.JSON
@options.QUIET
@options.TRACEBACK
def command(
    *,
    model: str,
    data: tuple[str, ...],
    output: str | None,
    jobs: int,
    on_error: str,
    engine: str,
    summary: bool,
    as_json: bool,
    quiet: bool,
    **selection: Any,
) -> None:
    """Say for each row of DATA how well MODEL reconstructs it.

    A score is minus the reconstruction loss of the row: the lower, the less the row is like those
    the model was fitted to. With --summary or --json the rows themselves are written only if -o
    names a file.

    \b
    narrows score model patients.csv --id patient -o scores.csv
    narrows score model patients.csv --summary
    """
    from narrows.cli import apply, folder_output, models, places
    from narrows.data.formats import files

    target = files.STANDARD_STREAM if output is None else output
    places.check({"--output": output}, [*data, model])
    if output is None and not (summary or as_json):
        folder_output.refuse(
            data, "its scores are a folder, too: name it with -o, or add --summary"
        )
    options = {"jobs": jobs, "on_error": on_error, "engine": engine, "quiet": quiet, **selection}
    if output is not None and folder_output.wrote(model, data, output, "scores", **options):
        return
    files.check_writable(target)
    fitted = models.load(model)
    source = apply.read(fitted, data, quiet=quiet, **selection)
    scores = fitted.score_samples(models.accepted(fitted, source.rows))
    if output is not None or not (summary or as_json):
        apply.write(["score"], scores[:, None], target, source.ids, quiet=quiet)
    if as_json:
        out.json_object(_summary(scores))
    elif summary:
        out.text("".join(f"{name},{value}\n" for name, value in _summary(scores).items()))


def _summary(scores: Matrix) -> dict[str, float]:
    import numpy as np

    from narrows.errors import DataError

    n_rows = len(scores)
    scores = scores[~np.isnan(scores)]  # rows without any measured cell have none
    if not scores.size:
        raise DataError("no row has a measured cell, so there is no score to sum up")
    low, median, high = np.quantile(scores, (0.05, 0.5, 0.95))
    figures = {
        "mean": scores.mean(dtype=float),
        "minimum": scores.min(),
        "quantile_05": low,
        "median": median,
        "quantile_95": high,
        "maximum": scores.max(),
    }
    return {
        "rows": n_rows,
        **{name: float(value) for name, value in figures.items()},
        "without_score": n_rows - len(scores),
    }
