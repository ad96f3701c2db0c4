"""``narrows export``: a model in, a file out that runs without narrows."""

from __future__ import annotations

from typing import Any

import click

from narrows.cli import options
from narrows.cli import output as out
from narrows.cli.verb import verb


@verb(name="export")
@options.MODEL
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(),
    help="Where to write: .onnx, or .pt2 for torch's own.",
)
@click.option(
    "--outputs",
    metavar="NAMES",
    help="What it gives: some of encode, reconstruct, score, impute, or decode alone (the first "
    "three by default); of a classifier or regressor predict, predict_proba, encode; of a "
    "detector score, predict.",
)
@click.option(
    "--inputs",
    type=click.Choice(["table", "columns"]),
    default="table",
    show_default=True,
    help="One tensor of rows, or one for each column, text as text (ONNX).",
)
@options.JSON
@options.QUIET
@options.TRACEBACK
def command(
    model: str, output: str, outputs: str | None, inputs: str, as_json: bool, quiet: bool
) -> None:
    """Write MODEL as a file that runs without narrows.

    The file is run on drawn rows first, and left only if it says what the model says.

    \b
    narrows export model -o model.onnx
    narrows export model -o decoder.onnx --outputs decode
    narrows export model -o model.onnx --inputs columns
    narrows export model -o model.pt2
    """
    from narrows.cli import models, places, tables
    from narrows.data.formats import files
    from narrows.errors import ParameterError

    places.check({"--output": output}, [model])
    as_torch = output.endswith(".pt2")
    if not (as_torch or output.endswith(".onnx")):
        raise ParameterError(f"--output {output} must end in .onnx or .pt2")
    if as_torch and inputs == "columns":
        raise ParameterError("--inputs columns is for ONNX: torch has no text; leave it out")
    files.check_place(output)
    fitted = models.load(model)
    chosen: dict[str, Any] = {} if outputs is None else {"outputs": tables.split([outputs])}
    if as_torch:
        written = fitted.export_torch(output, **chosen)
    else:
        written = fitted.export_onnx(output, inputs=inputs, **chosen)
    if as_json:
        out.json_object({"output": output, **written})
    worst = max(written["differences"].values())
    out.message(
        f"wrote {output}, {written['bytes'] / 1e3:,.0f} kB; it says what the model says to "
        f"{worst:.0e}",
        quiet=quiet,
    )
