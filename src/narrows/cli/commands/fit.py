"""``narrows fit``: a table in, a model folder out."""

from __future__ import annotations

import shlex
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import options, output, together
from narrows.cli.exits import Exit
from narrows.cli.verb import verb
from narrows.core.types import Estimator, Json
from narrows.data.formats.text_layout import TextLayout
from narrows.errors import InterruptedWarning

if TYPE_CHECKING:
    import pyarrow as pa

    from narrows.core.group import Group
    from narrows.data.sources.source import Source
    from narrows.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line, settings of the estimator apart."""

    data: tuple[str, ...]
    on: str | None
    grouping: str | None
    named_views: tuple[str, ...]
    kinds: tuple[str, ...]
    model: str | None
    columns: tuple[str, ...]
    drop: tuple[str, ...]
    ids: tuple[str, ...]
    layout: TextLayout
    warm_start: str | None
    force: bool
    memory: str
    checkpoint: str | None
    every: str
    resume: bool
    engine: str
    workers: str | None
    as_json: bool
    quiet: bool
    verbose: int


@verb(name="fit", runs_together=True)
@click.argument("data", metavar="DATA...", type=click.Path(), nargs=-1)
@click.option("-o", "--output", "model", metavar="MODEL", help="The folder to save the model in.")
@click.option(
    "-k",
    "--components",
    metavar="LENGTH",
    type=options.LENGTH,
    help="Length of the code, a share of the variance to keep such as 0.9, or auto [default: 2].",
)
@options.setting(
    "Any setting, such as loss=huber, architecture__tied=true or 'penalty=WeightDecay(1e-4)'."
)
@click.option("--config", metavar="FILE.toml", type=click.Path(), help="Settings from a file.")
@click.option("--seed", type=int, help="Same seed, same model.")
@click.option("--epochs", type=int, help="Passes over the rows, at most.")
@click.option("--device", help="cpu, cuda, cuda:1, ... [default: auto].")
@click.option(
    "--warm-start", metavar="MODEL", type=click.Path(), help="Go on from a model saved before."
)
@click.option("--force", is_flag=True, help="Replace a model that is already there.")
@click.option("--print-config", is_flag=True, help="Print all settings as TOML, and stop.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and stop.")
@options.ON
@options.GROUPING
@options.NAMED_VIEWS
@click.option(
    "--type",
    "kinds",
    metavar="COLUMN=TYPE",
    multiple=True,
    help="What a column is: numeric, binary, categorical, ordinal, count, proportion, angle, or "
    'such as \'grade=Ordinal(("low", "high"))\'.',
)
@options.selection
@options.MEMORY
@click.option(
    "--covariates",
    metavar="NAMES",
    multiple=True,
    help="Columns given beside the code (comma-separated; may be repeated).",
)
@click.option(
    "--checkpoint",
    metavar="FOLDER",
    type=click.Path(),
    help="Keep the state of training there, so that it can be stopped at any moment.",
)
@click.option(
    "--every", metavar="TIME", default="30s", show_default=True, help="How often that is written."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from what --checkpoint has kept; begin where it has kept nothing.",
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "ray"]),
    default="processes",
    help="Who trains: this process (and others, where torchrun starts it), or workers of Ray.",
)
@click.option(
    "--workers", metavar="N|MIN:MAX", help="Of Ray: how many; as many as there is room for."
)
@options.JSON
@options.QUIET
@click.option("-v", "--verbose", count=True, help="A line per epoch.")
@options.TRACEBACK
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    components: int | float | str | None,
    assignments: tuple[str, ...],
    config: str | None,
    seed: int | None,
    epochs: int | None,
    device: str | None,
    covariates: tuple[str, ...],
    print_config: bool,
    dry_run: bool,
    **request: Any,
) -> None:
    """Fit an autoencoder to the columns of DATA and save it in MODEL.

    Several files are joined on a column and become a view each. Text is a category, an empty cell
    a value that was not measured. A folder of Parquet files, or a pattern of their names, need not
    fit in memory: it is read while training goes on.

    Settings come from --config, then --set, then the options of their own (-k, --seed, --epochs,
    --device); what comes later counts.

    \b
    narrows fit patients.csv -k 8 -o model
    narrows fit clinical.csv genes.parquet --on patient -k 16 -o model
    narrows fit patients.csv --drop diagnosis --set 'architecture=(256, 64)' -o model
    narrows fit visits/ --id visit --memory 2GB -o model
    narrows fit visits/ -o model --checkpoint state/ --resume   # again, whenever it was cut off
    torchrun --nproc-per-node 4 -m narrows fit visits/ -o model
    narrows fit visits/ -o model --checkpoint state/ --engine ray --workers 2:8
    """
    from narrows.cli import folders, join, tables
    from narrows.data.formats import files

    asked = Request(**request)
    own = {
        "n_components": components,
        "random_state": seed,
        "max_epochs": epochs,
        "device": device,
        "covariates": tables.split(covariates) or None,
    }
    model = _configured(asked.warm_start, config, assignments, own)
    if print_config:
        _print_config(model)
        return
    if not asked.data:
        raise click.UsageError("Missing argument 'DATA': the table to fit to.", context)
    if asked.model is None and not dry_run:
        for entry in asked.data:  # a wrong name is the more telling mistake
            if not folders.is_source(entry):
                files.check_there(join.source_of(entry).path)
        raise click.UsageError("Missing option '-o': the folder to save the model in.", context)
    with together.joined() as group:
        features = _prepared(model, asked)
        if dry_run:
            code = _report_plan(model, features, asked)
        else:
            code = _fit(model, features, asked, group)
    context.exit(code)


def _configured(
    warm_start: str | None,
    config: str | None,
    assignments: Sequence[str],
    own: Json,
) -> Estimator:
    import narrows
    from narrows.cli import models, settings

    model = narrows.Autoencoder() if warm_start is None else models.load(warm_start)
    if config is not None:
        settings.apply(model, settings.from_toml(config))
    settings.apply(model, settings.from_assignments(assignments))
    settings.apply(model, {key: value for key, value in own.items() if value is not None})
    return model


def _print_config(model: Estimator) -> None:
    from narrows.cli import settings

    output.text(settings.to_toml(model))


def _prepared(model: Estimator, asked: Request) -> pa.Table | Source:
    """Return the features, after everything that can be refused before a fit was checked."""
    from narrows.cli import folders, join, models, tables, viewing
    from narrows.errors import ParameterError
    from narrows.training import code_length
    from narrows.training.plan import resolve_composition

    if asked.workers is not None and asked.engine != "ray":
        raise ParameterError("--workers are those of Ray; add --engine ray, or leave them out")
    if asked.model is not None:
        onto_itself = models.same_folder(asked.model, asked.warm_start)
        models.check_target(asked.model, replace=asked.force or onto_itself)
    if not code_length.is_open(model.n_components):
        resolve_composition(model.get_params(deep=False))
    warm = asked.warm_start is not None
    folder = folders.only(asked.data)
    if folder is not None:
        return _opened(model, folder, asked)
    free = viewing.typed(model, asked.kinds)
    chosen = join.choose(
        asked.data,
        on=asked.on,
        known=models.names(model) if warm else None,
        text=models.text_columns(model) if warm else None,
        free=free,
        columns=asked.columns,
        drop=asked.drop,
        ids=asked.ids,
        layout=asked.layout,
    )
    if warm:
        return tables.matching(chosen, models.names(model), model.n_features_in_)
    viewing.settle(model, chosen, asked.grouping, asked.named_views, asked.kinds)
    return chosen.features


def _opened(model: Estimator, folder: str, asked: Request) -> Source:
    """Return a folder as a source, whose columns settle views and types."""
    from narrows.cli import folder_output, models, viewing
    from narrows.cli.tables import Chosen

    columns: Sequence[str] = asked.columns
    if asked.warm_start is not None and not columns:
        columns = models.names(model) or ()
    source = folder_output.opened(
        folder,
        columns=columns,
        drop=asked.drop,
        ids=asked.ids,
        memory=asked.memory,
        on=asked.on,
        layout=asked.layout,
    )
    if asked.warm_start is None:
        first = source.sample(1)
        chosen = Chosen(folder, first.features, first.features.select([]))
        viewing.settle(model, chosen, asked.grouping, asked.named_views, asked.kinds)
    return source


def _report_plan(model: Estimator, features: pa.Table | Source, asked: Request) -> Exit:
    import torch
    from sklearn.base import clone

    from narrows.cli import summary
    from narrows.cli.tables import missing_cells
    from narrows.data.reading import read_training_table
    from narrows.data.sources.source import Source
    from narrows.training import code_length
    from narrows.training.plan import resolve_composition

    n_rows, n_columns = features.shape
    if isinstance(features, Source):
        features = features.sample(summary.ROWS_EXAMINED).features
    rows, layout = read_training_table(clone(model), features, views=model.views, types=model.types)
    plan: Json = {
        "rows": n_rows,
        "columns": n_columns,
        "missing": sum(map(missing_cells, features.columns)) * n_rows // features.num_rows,
        "views": {view.name: len(view.columns) for view in layout.views},
        "n_components": model.n_components,
    }
    if not code_length.is_open(model.n_components):
        composition = resolve_composition(model.get_params(deep=False)).for_rows(layout)
        network = composition.network(layout.measured(rows, None), torch.float32)
        plan["n_parameters"] = sum(p.numel() for p in network.trained_parameters())
    if asked.as_json and together.rank() == 0:
        output.json_object(plan)
    output.message(
        f"everything is in order; a fit would have\n{output.aligned(plan)}", quiet=asked.quiet
    )
    return Exit.OK


def _fit(model: Estimator, features: pa.Table | Source, asked: Request, group: Group) -> Exit:
    """Fit, save and report; return the exit code.

    Of several processes that fit together, the first one saves and reports.
    """
    from narrows.cli import models, summary
    from narrows.data.sources.source import Source

    assert asked.model is not None
    if asked.engine == "ray":
        return _fit_by_ray(asked)
    own = {"verbose": _verbosity(model, asked)}
    if asked.warm_start is not None:
        own["warm_start"] = True
    started = time.perf_counter()
    with models.temporarily(model, **own), warnings.catch_warnings():
        warnings.simplefilter("ignore", InterruptedWarning)  # said below, with what to do next
        streams = isinstance(features, Source)
        rows = features if streams else models.accepted(model, features)
        model.fit(rows, checkpoint=_checkpoint(asked, group))
    seconds = time.perf_counter() - started
    code = Exit.INTERRUPTED if model.stop_reason_ == "interrupted" else Exit.OK
    if not group.is_first:
        return code
    if code and asked.checkpoint is not None:
        output.message(f"interrupted; what was learned is kept. To go on:\n{_same_command(group)}")
        return code
    model.save(asked.model)
    outcome = summary.of_fit(model, features, asked.model, seconds)
    if asked.as_json:
        output.json_object(outcome)
    if not asked.quiet:
        summary.show(outcome, _next_command(asked))
    if code:
        output.message(
            f"interrupted; the model so far is saved. To go on:\n{_resume_command(asked)}"
        )
    return code


def _fit_by_ray(asked: Request) -> Exit:
    """Have workers of Ray run the same command together, and return its exit code."""
    from narrows.cli import ray_engine
    from narrows.core.group import ALONE

    _checkpoint(asked, ALONE)  # which may refuse
    arguments = _without(sys.argv[1:], "--engine", "--workers", "--resume")
    if asked.checkpoint is not None:
        arguments.append("--resume")  # as workers may be started again
    number = ray_engine.workers(asked.workers or "2")
    return Exit(ray_engine.fit(arguments, number, storage=asked.checkpoint))


def _without(arguments: Sequence[str], *names: str) -> list[str]:
    """Return arguments without some options, whose value follows unless it is --resume."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, _, value = argument.partition("=")
        if name not in names:
            kept.append(argument)
        elif not value and name != "--resume":
            next(rest, None)
    return kept


def _checkpoint(asked: Request, group: Group) -> Checkpoint | None:
    """Return where the state of training is kept.

    Raises
    ------
    ParameterError
        If there is something, and nobody said to go on from it.
    """
    from narrows.errors import ParameterError
    from narrows.training.checkpoint import Checkpoint

    if asked.checkpoint is None:
        if asked.resume:
            raise ParameterError("--resume goes on from --checkpoint FOLDER; name the folder")
        return None
    checkpoint = Checkpoint(asked.checkpoint, every=asked.every)
    checkpoint.seconds()

    def check() -> bytes:
        if checkpoint.is_begun and not (asked.resume or together.is_restarted()):
            raise ParameterError(
                f"--checkpoint {asked.checkpoint} has the state of a fit; add --resume to go on "
                "with it, or choose another folder"
            )
        return b""

    group.of_first(check)  # the others may look when it has begun to write there
    return checkpoint


def _same_command(group: Group) -> str:
    """Return the command that was given, so that it goes on."""
    given = sys.argv[1:]
    command = shlex.join(["narrows", *given, *([] if "--resume" in given else ["--resume"])])
    return command if group.is_alone else f"torchrun ... -m {command}"


def _verbosity(model: Estimator, asked: Request) -> int:
    if asked.quiet:
        return 0
    # A bar on a terminal; elsewhere silence, since a line per epoch fills logs nobody reads.
    return max(int(model.verbose), int(sys.stderr.isatty()) + asked.verbose)


def _next_command(asked: Request) -> str:
    assert asked.model is not None
    return shlex.join(
        ["narrows", "encode", asked.model, *asked.data, *_carried(asked), "-o", _codes(asked)]
    )


def _codes(asked: Request) -> str:
    from narrows.cli import folders

    return "codes.csv" if folders.only(asked.data) is None else "codes"


def _resume_command(asked: Request) -> str:
    assert asked.model is not None
    return shlex.join(
        [
            *("narrows", "fit", *asked.data, "-o", asked.model, "--warm-start", asked.model),
            *_carried(asked),
        ]
    )


def _carried(asked: Request) -> list[str]:
    """Return the options another command on the same data needs; columns go by name anyway."""
    joined = [] if asked.on is None else ["--on", asked.on]
    carried = [part for name in asked.ids for part in ("--id", name)]
    return [*joined, *carried, *asked.layout.options()]
