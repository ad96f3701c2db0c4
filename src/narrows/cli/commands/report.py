"""``narrows report``: a model and a table in, a page for people out."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import options
from narrows.cli import output as out
from narrows.cli.verb import verb
from narrows.core.types import Json
from narrows.errors import ModelFileError

if TYPE_CHECKING:
    import pyarrow as pa


@verb(name="report")
@options.MODEL
@options.DATA
@click.option(
    "-o",
    "--output",
    metavar="FILE.html",
    default="report.html",
    show_default=True,
    help="Where to write the page; its data go beside it as JSON.",
)
@click.option("--target", metavar="NAME", help="A column with classes or numbers to colour by.")
@click.option(
    "--train",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="The rows of fit, for a PCA beside the code and for what errors are usual (may be "
    "repeated, for files that --on joins).",
)
@click.option(
    "--comparison", metavar="FILE.json", type=click.Path(), help="What narrows compare wrote."
)
@options.INPUT_SHAPE
@click.option("--title", help="The heading of the page.")
@options.ON
@options.selection
@options.JSON
@options.QUIET
@options.TRACEBACK
def command(
    *,
    model: str,
    data: tuple[str, ...],
    output: str,
    target: str | None,
    train: tuple[str, ...],
    comparison: str | None,
    as_json: bool,
    quiet: bool,
    **rest: Any,
) -> None:
    """Write a page about MODEL and the rows of DATA, best rows that the fit did not see.

    What the code keeps beside a PCA, what to worry about, training, codes, reconstructions,
    components and the strangest rows: one file that opens in any browser without a network. It
    holds cells of DATA, so it is as confidential as they are.

    \b
    narrows report model test.csv --train train.csv --target diagnosis -o report.html
    """
    from narrows.cli import apply, join, models, places, tables
    from narrows.estimators.anomaly_detector import TITLE as DETECTOR_TITLE
    from narrows.estimators.anomaly_detector import AnomalyDetector
    from narrows.estimators.methods import TITLE
    from narrows.report import page, report

    shape, title, selection = rest.pop("input_shape"), rest.pop("title"), rest
    places.check(
        {"--output": output, "the data beside it": str(page.twin(output))},
        [*data, *train, comparison, model],
    )
    page.check_path(output)
    fitted = models.load(model)
    if not hasattr(fitted, "report"):
        raise ModelFileError(
            f"{model} holds {type(fitted).__name__}, which has no report; give the folder of an "
            "Autoencoder or an AnomalyDetector"
        )
    wanted = [] if target is None else [target]
    carried = {**selection, "ids": (*selection["ids"], *wanted)}
    source = apply.read(fitted, data, quiet=quiet, **carried)
    known = None
    if train:
        # Columns with names are found by them; others by what was chosen for DATA.
        named = models.names(fitted) is not None
        chosen = {key: selection[key] for key in ("on", "layout")} if named else carried
        known = apply.read(fitted, train, quiet=True, **chosen).rows
    detector = fitted if isinstance(fitted, AnomalyDetector) else None
    autoencoder = fitted if detector is None else detector.autoencoder_
    heading = TITLE if detector is None else DETECTOR_TITLE
    said = report.write(
        autoencoder,
        autoencoder._fitted,
        output,
        models.accepted(fitted, source.rows),
        y=None if target is None else tables.values(join.carried(source.ids, target)),
        train=None if known is None else models.accepted(fitted, known),
        ids=_called(source.ids, target),
        comparison=comparison,
        title=heading if title is None else title,
        command=shlex.join(["narrows", *sys.argv[1:]]),
        detector=detector,
        label=target,
        input_shape=shape,
    )
    _tell(said, output, as_json=as_json, quiet=quiet)


def _tell(said: Json, output: str, *, as_json: bool, quiet: bool) -> None:
    overview = said["overview"]
    if as_json:
        out.json_object({"report": output, **overview})
    for verdict in overview["verdicts"]:
        out.message(verdict["text"], quiet=quiet)
    problems = [alert["text"] for alert in overview["alerts"] if alert["level"] == "problem"]
    for text in problems:
        out.message(f"to look at: {text}", quiet=quiet)
    out.message(f"wrote {output}", quiet=quiet)


def _called(ids: pa.Table, target: str | None) -> list[str] | None:
    """Return what the rows are called: the first column that was carried along."""
    names = [name for name in ids.column_names if name != target]
    return None if not names else [str(value) for value in ids[names[0]].to_pylist()]
