"""``narrows compare``: a table in, methods beside each other out."""

from __future__ import annotations

import contextlib
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import options, output
from narrows.cli.exits import Exit
from narrows.cli.verb import verb
from narrows.core.types import Json, Matrix, TargetLike
from narrows.errors import InterruptedWarning, ParameterError, SourceError

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

    from narrows.cli.tables import Chosen
    from narrows.comparison.comparison import Comparison

SELECTION = ("on", "columns", "drop", "ids", "layout")


@verb(name="compare")
@options.DATA
@click.option("--target", metavar="NAME", help="The column that codes should tell; no feature.")
@click.option(
    "--methods",
    metavar="NAMES",
    multiple=True,
    help="Which (comma-separated; may be repeated) [default: what the table allows].",
)
@click.option("-k", "--components", metavar="NUMBERS", help="Lengths of the code, such as 2,8,32.")
@click.option("--folds", type=int, default=5, show_default=True, help="Of the cross-validation.")
@click.option(
    "--seeds",
    type=int,
    default=1,
    show_default=True,
    help="Fits per fold; 2 or more show how stable codes are.",
)
@click.option("--metrics", metavar="NAMES", multiple=True, help="Which [default: all there are].")
@click.option("--anomaly", metavar="VALUE", help="The value of the target that marks anomalies.")
@options.ON
@options.GROUPING
@options.NAMED_VIEWS
@click.option(
    "--extension",
    is_flag=True,
    help="Let kernel regression map rows, and back, for methods that cannot.",
)
@click.option("--time-budget", type=float, metavar="SECONDS", help="For each method in all.")
@click.option(
    "--resume",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Keep finished fits in this JSON file, and go on from it.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same numbers.")
@click.option(
    "-o",
    "--output",
    "target_file",
    metavar="FILE.json",
    type=click.Path(dir_okay=False),
    help="Where to write the whole result.",
)
@click.option(
    "--report",
    metavar="FILE.html",
    type=click.Path(dir_okay=False),
    help="Write a page about the best autoencoder, fitted to four fifths of the rows and shown on "
    "the rest, with this comparison.",
)
@options.selection
@options.JSON
@options.QUIET
@click.option("-v", "--verbose", count=True, help="A line per fit.")
@options.TRACEBACK
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    data: tuple[str, ...],
    target: str | None,
    target_file: str | None,
    as_json: bool,
    quiet: bool,
    verbose: int,
    resume: str | None,
    report: str | None,
    grouping: str | None,
    named_views: Sequence[str],
    **settings: Any,
) -> None:
    """Compare methods on DATA: each fitted to the same rows and judged on the others.

    Methods are the names of baselines (pca, factor_analysis, kernel_pca, isomap, ...) and of
    narrows' own (autoencoder, denoising, variational, ...). Prints what each keeps and whether the
    autoencoders are better than PCA; --json or -o give everything.

    \b
    narrows compare patients.csv --target diagnosis --id patient -k 2,8 -o result.json
    narrows compare clinical.csv genes.parquet --on patient --report page.html
    narrows compare patients.csv --methods pca,umap,autoencoder --resume cells.json
    """
    from narrows.cli import places, viewing
    from narrows.comparison.compare import compare
    from narrows.report import page

    beside = None if report is None else str(page.twin(report))
    outputs = {"--output": target_file, "--report": report, "the data beside it": beside}
    places.check({**outputs, "--resume": resume}, data)
    if target_file is not None:
        _check_writable(target_file)
    if report is not None:
        page.check_path(report)
    selection = {name: settings.pop(name) for name in SELECTION}
    chosen, y = _read(data, target, selection)
    features, views = chosen.features, viewing.grouped(chosen, grouping, named_views)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterruptedWarning)  # said below, with what to do next
        comparison = compare(
            features,
            y,
            **_asked(settings, y),
            views=views,
            resume=resume,
            verbose=0 if quiet else int(sys.stderr.isatty()) + verbose,
        )
    _tell(comparison, target_file, as_json=as_json, quiet=quiet)
    if report is not None and not comparison.interrupted:
        _write_report(report, comparison, features, y, views, quiet=quiet)
    if comparison.interrupted:
        output.message(f"interrupted; {_advice(resume, sys.argv[1:])}")
        context.exit(Exit.INTERRUPTED)


def _read(data: Sequence[str], target: str | None, selection: Json) -> tuple[Chosen, Matrix | None]:
    """Return the features, and the target as an array."""
    from narrows.cli import join, tables

    wanted = [] if target is None else [target]
    chosen = join.choose(data, **{**selection, "ids": [*selection["ids"], *wanted]})
    return chosen, None if target is None else tables.values(join.carried(chosen.ids, target))


def _write_report(
    path: str,
    comparison: Comparison,
    features: pa.Table,
    y: Matrix | None,
    views: dict[str, list[str]] | None,
    *,
    quiet: bool,
) -> None:
    """Fit the autoencoder that keeps most to a part of the rows, and show it on the rest."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    from narrows.comparison.candidates import RECIPES
    from narrows.estimators.methods import TITLE
    from narrows.report import report

    entry = _best_of_ours(comparison)
    if entry is None:
        output.message("no autoencoder was compared, so there is no report", quiet=quiet)
        return
    seed = comparison.settings["random_state"]
    make = RECIPES[entry["method"]]
    model = make(entry["n_components"], views=views, random_state=seed)
    train, test = train_test_split(np.arange(features.num_rows), test_size=0.2, random_state=seed)
    model.fit(features.take(train), y if y is None else y[train])
    report.write(
        model,
        model._fitted,
        path,
        features.take(test),
        y=None if y is None else y[test],
        train=features.take(train),
        comparison=comparison.to_dict(),
        title=TITLE,
        command=shlex.join(["narrows", *sys.argv[1:]]),
    )
    output.message(f"wrote {path}", quiet=quiet)


def _best_of_ours(comparison: Comparison) -> Json | None:
    """Return the autoencoder that is best by the first metric, of any length."""
    from narrows.comparison.candidates import RECIPES

    metric = comparison.metrics[0]
    entries = [
        entry
        for entry in comparison.summary
        if entry["method"] in RECIPES and metric["name"] in entry["values"]
    ]
    sign = -1 if metric["higher_is_better"] else 1
    key = metric["name"]
    return min(entries, key=lambda entry: sign * entry["values"][key]["mean"], default=None)


def _asked(settings: Json, y: TargetLike) -> Json:
    """Return options as the function takes them."""
    return {
        "methods": _names(settings["methods"]) or None,
        "metrics": _names(settings["metrics"]) or None,
        "n_components": _lengths(settings["components"]),
        "folds": settings["folds"],
        "seeds": settings["seeds"],
        "anomaly": _label(settings["anomaly"], y),
        "extension": settings["extension"],
        "time_budget": settings["time_budget"],
        "random_state": settings["seed"],
    }


def _names(given: Sequence[str]) -> list[str]:
    return [name.strip() for entry in given for name in entry.split(",") if name.strip()]


def _lengths(given: str | None) -> list[int] | None:
    if given is None:
        return None
    try:
        return [int(part) for part in given.split(",")]
    except ValueError:
        raise ParameterError(
            f"--components={given!r} must be whole numbers; write for example -k 2,8,32"
        ) from None


def _label(given: str | None, y: TargetLike) -> Any:
    """Return a value of the target as the target has it."""
    if given is None or y is None or y.dtype.kind not in "iufb":
        return given
    with contextlib.suppress(ValueError):  # left as it is, and refused where labels are compared
        return float(given)
    return given


def _check_writable(path: str) -> None:
    """Refuse a file that cannot be written, before the work.

    Raises
    ------
    SourceError
        If there is no folder for it.
    """
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        raise SourceError(f"cannot write {path}: there is no folder {parent}; create it")


def _tell(comparison: Comparison, target: str | None, *, as_json: bool, quiet: bool) -> None:
    if target is not None:
        comparison.save(target)
        output.message(f"wrote {target}", quiet=quiet)
    if as_json:
        output.json_object(comparison.to_dict())
        return
    output.table(_table(comparison))
    if not quiet:
        output.message("\n".join(_sentences(comparison)))


def _table(comparison: Comparison) -> Table:
    """Return means by method and length."""
    from rich.markup import escape
    from rich.table import Table

    from narrows.comparison.table import tabulated

    headings, rows = tabulated(comparison.metrics, comparison.summary)
    table = Table()
    for heading in headings:
        narrow = heading in ("method", "maps", "back", "s per fit")
        justify = "left" if heading == "method" else "right"
        table.add_column(heading, justify=justify, no_wrap=narrow)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _sentences(comparison: Comparison) -> list[str]:
    """Return whether narrows' own are better, the best by each metric, and what is missing."""
    described = comparison.settings["descriptions"]
    ours = [name for name, text in described.items() if not text.startswith("Baseline(")]
    first = comparison.metrics[0]["name"]
    lines = [comparison.verdict(name, first) for name in ours]
    best = comparison.to_dict()["best"]
    labels = {metric["name"]: metric["label"] for metric in comparison.metrics}
    lines += [
        f"best {labels[name]}: {entry['method']}, {entry['n_components']} components"
        for name, entry in best.items()
    ]
    lines += comparison.settings["notes"]
    lines += [
        f"{entry['method']}, {entry['n_components']} components: {entry['status']}: "
        f"{entry['message']}"
        for entry in comparison.summary
        if entry["message"]
    ]
    return list(dict.fromkeys(lines))


def _advice(resume: str | None, arguments: Sequence[str]) -> str:
    if resume is None:
        return "give --resume FILE to go on from next time"
    return f"to go on:\n{shlex.join(['narrows', *arguments])}"
