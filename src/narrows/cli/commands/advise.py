"""``narrows advise``: what to look out for in a table, and the call to begin with."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from narrows.cli import options, output
from narrows.cli.verb import verb
from narrows.core.harmless import harmless
from narrows.core.types import Json, Named
from narrows.data.formats.text_layout import TextLayout
from narrows.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

WIDTH = 80  # where stdout is no terminal
WIDEST = 100  # beyond which lines are tiring to read
REFUSED = "narrows fit does not take these columns as they are; the advice above says which"
USUAL = {"sep": ",", "decimal": ".", "thousands": None, "encoding": None}  # of pandas.read_csv
STYLES = {"error": "bold red", "warning": "bold yellow", "advice": "bold green"}


@verb(name="advise")
@options.TABLE
@click.option("-k", "--components", type=int, help="Length of the code, if you have one in mind.")
@options.setting("A setting you have in mind, such as loss=cross_entropy; it is checked.")
@click.option(
    "--target",
    "targets",
    metavar="NAMES",
    multiple=True,
    help="What is to be predicted, and so no feature (comma-separated; may be repeated).",
)
@options.INPUT_SHAPE
@click.option("--quick", is_flag=True, help="Leave out the held-out curve of the size.")
@click.option("--seconds", type=float, default=30, show_default=True, help="For that curve.")
@click.option("--rows", type=int, help="To look at, at most [default: 10000].")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same advice.")
@options.selection
@options.JSON
@options.TRACEBACK
def command(
    *,
    data: str,
    components: int | None,
    assignments: tuple[str, ...],
    targets: tuple[str, ...],
    input_shape: tuple[int, ...] | None,
    quick: bool,
    seconds: float,
    rows: int | None,
    seed: int,
    as_json: bool,
    drop: tuple[str, ...],
    **selection: Any,
) -> None:
    """Look at the columns of DATA: what stands in the way, what to look at, and what to fit.

    \b
    narrows advise patients.csv --target diagnosis
    narrows advise patients.csv --set loss=cross_entropy --quick --json
    """
    from narrows.advice.advice import advise
    from narrows.cli import tables

    asked = _asked(assignments, components)
    chosen = tables.choose(data, drop=(*drop, *targets), **selection)
    advice = advise(
        chosen.features,
        input_shape=input_shape,
        quick=quick,
        seconds=seconds,
        max_rows=rows,
        random_state=seed,
        **asked,
    )
    advice = _for_pandas(advice)
    left_out = [*drop, *targets, *selection["ids"], *_dropped(advice)]
    features = chosen.features.column_names
    call = _with_reading(advice.call, data, features, selection["layout"])
    line = _command(advice.settings, data, left_out) if _fits(chosen.features, advice) else None
    if as_json:
        output.json_object({"data": data, **advice.to_dict(), "call": call, "command": line})
        return
    _show(advice, chosen.where, call, line)


def _asked(assignments: Sequence[str], components: int | None) -> Json:
    """Return the settings that the user has in mind, parts whole."""
    import narrows
    from narrows.cli import settings

    model = narrows.Autoencoder()
    asked = settings.from_assignments(assignments)
    if components is not None:
        asked["n_components"] = components
    settings.apply(model, asked)
    return {key: getattr(model, key) for key in dict.fromkeys(k.split("__")[0] for k in asked)}


def _for_pandas(advice: Any) -> Any:
    """Return advice whose lines of Python are pandas', which files are mostly read with."""
    from narrows.advice.advice import Advice

    def said(line: str) -> str:
        return line.replace("X.drop_columns(", "X.drop(columns=")

    remarks = [replace(remark, call=said(remark.call)) for remark in advice]
    shape, looked_at = advice.shape, advice.n_looked_at
    return Advice(remarks, advice.settings, shape, looked_at, said(advice.prepare))


def _dropped(advice: Any) -> list[str]:
    remark = advice.about("unusable")
    return [] if remark is None else list(remark.details["columns"])


def _fits(features: pa.Table, advice: Any) -> bool:
    """Return whether ``narrows fit`` takes the columns as they are."""
    from narrows.cli import tables

    try:
        tables.features(features.drop_columns(_dropped(advice)), "")
    except DataError:  # what it says is for those who ask for a fit
        return False
    return True


def _command(settings: Named, data: str, left_out: Sequence[str]) -> str:
    """Return the command that fits what is advised."""
    from narrows.cli.settings import as_text

    own = {"n_components": "-k", "random_state": "--seed"}
    words = ["narrows", "fit", data]
    for name in left_out:
        words += ["--drop", name]
    for key, value in settings.items():
        written = value if isinstance(value, str) else as_text(value)
        words += [own[key], written] if key in own else ["--set", f"{key}={written}"]
    return shlex.join([*words, "-o", "model"])


def _with_reading(call: str, data: str, features: Sequence[str], layout: TextLayout) -> str:
    """Return lines of Python with the one that reads a file by pandas, as it was read here."""
    from pyarrow import parquet

    from narrows.cli import folders
    from narrows.data.formats import delimited, files
    from narrows.data.sources.open_source import open_source
    from narrows.data.sources.parquet_source import SUFFIXES

    imports, _, rest = call.partition("\n\n")
    if folders.is_source(data):
        source = open_source(data)
        left_out = [name for name in source.names or () if name not in set(features)]
        drop = f", drop={left_out!r}" if left_out else ""
        opened = f"X = open_source({data!r}{drop})"
        return f"{imports}\nfrom narrows import open_source\n\n{opened}\n{rest}"
    if data == files.STANDARD_STREAM:
        return call
    options: Json = {}
    reader = "read_parquet" if data.lower().endswith(SUFFIXES) else "read_csv"
    if reader == "read_parquet":
        columns = parquet.read_schema(data).names
    else:
        dialect, encoding, asks = delimited.file_layout(data, layout)
        names: Json = {"sep": dialect.delimiter, "decimal": dialect.decimal}
        names |= {"thousands": dialect.thousands, "encoding": encoding}
        options = {name: v for name, v in names.items() if v not in (None, USUAL.get(name))}
        nothing = [*dialect.na, *(["?"] if asks else [])]
        options |= {"na_values": nothing} if nothing else {}
        columns = list(dialect.names)
        if not dialect.header:
            options |= {"header": None, "names": columns}
    written = ", ".join([repr(data), *(f"{name}={value!r}" for name, value in options.items())])
    dropped = [name for name in columns if name not in set(features)]
    choice = f".drop(columns={dropped!r})" if dropped else ""
    if len(dropped) > len(features):
        choice = f"[{list(features)!r}]"
    return f"import pandas as pd\n{imports}\n\nX = pd.{reader}({written}){choice}\n{rest}"


def _show(advice: Any, where: str, call: str, line: str | None) -> None:
    """Write the advice to stdout, for people."""
    from rich.console import Console, Group
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else WIDTH, highlight=False)
    console.width = min(console.width, WIDEST)
    rows, columns = advice.shape
    parts: list[Any] = [
        Text(f"{harmless(where)}: {rows:,} rows x {columns:,} columns", style="bold")
    ]
    for severity, style in STYLES.items():
        said = [remark for remark in advice if remark.severity == severity]
        if said:
            parts += [Text(), Text(severity, style=style), *map(_described, said)]
    with console.capture() as captured:
        console.print(Group(*parts, Text(), Text("in Python", style="bold")))
        # Never cut, so that it can be copied.
        console.print(Text(textwrap.indent(harmless(call), "  ")), soft_wrap=True)
        console.print(Text(), Text("on the command line", style="bold"), sep="\n")
        console.print(Text(f"  {harmless(line or REFUSED)}"), soft_wrap=True)
    output.styled(captured.get())


def _described(remark: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=15)
    grid.add_column(overflow="fold")
    why = harmless(f"{remark.why[0].upper()}{remark.why[1:]}")
    said = Text(harmless(f"{remark.finding}. ")).append(why, style="dim")
    call = harmless(f"\n-> {remark.call}")
    grid.add_row(Text(f"  {remark.topic}"), said.append(call, style="cyan"))
    return grid
