"""Options that several verbs share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from narrows.data.formats.text_layout import TextLayout

Function = TypeVar("Function", bound=Callable[..., Any])


class Length(click.ParamType[int | float | str]):
    """A length of code: a whole number, a share to keep, or a word; the estimator checks it."""

    name = "length"

    def convert(self, value: Any, _param: Any, _context: Any) -> int | float | str:
        """Return the text as a number if it is one."""
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return kind(value)
        return str(value)


LENGTH = Length()

MODEL = click.argument("model", metavar="MODEL", type=click.Path())
DATA = click.argument("data", metavar="DATA...", type=click.Path(), nargs=-1, required=True)
TABLE = click.argument("data", metavar="DATA", type=click.Path())


def _keep_safe(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.meta[SAFE] = value


SAFE = "narrows.safe_csv"  # in the context of a command: what is written is opened as a spreadsheet
SAFE_CSV = click.option(
    "--safe-csv",
    is_flag=True,
    expose_value=False,
    callback=_keep_safe,
    help="Text that a spreadsheet would compute (=, +, -, @ in front) gets a ' in front.",
)


_OUTPUT = (
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="Where to write: .csv, .tsv, .parquet (or CSV to stdout, the default).",
    ),
    SAFE_CSV,
)


def _sizes(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.lower().replace("x", ",").split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of whole numbers; write 28,28") from None


def _complete_setting(
    _context: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return what the shell offers for ``--set``."""
    from narrows.cli import settings  # which imports torch, and nobody else waits for

    return [CompletionItem(text) for text in settings.completions(incomplete)]


def setting(text: str) -> Callable[[Function], Function]:
    """Return the option ``--set KEY=VALUE``, which the shell completes."""
    return click.option(
        "--set",
        "assignments",
        metavar="KEY=VALUE",
        multiple=True,
        help=text,
        shell_complete=_complete_setting,
    )


INPUT_SHAPE = click.option(
    "--input-shape",
    metavar="SIZES",
    callback=_sizes,
    help="What a row holds: HEIGHT,WIDTH or CHANNELS,HEIGHT,WIDTH of an image, STEPS,CHANNELS of a "
    "sequence.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="No messages but errors and warnings.")
TRACEBACK = click.option(
    "--traceback",
    is_flag=True,
    expose_value=False,
    help="Show where an error arose (as does NARROWS_DEBUG=1).",
)
ON = click.option(
    "--on", metavar="COLUMN", help="What says which sample a row is; joins several DATA files."
)
GROUPING = click.option(
    "--views",
    "grouping",
    type=click.Choice(["auto", "none"]),
    help="Several files are a view each (auto), or one table (none); of one file, auto goes by "
    "columns called VIEW__COLUMN.",
)
NAMED_VIEWS = click.option(
    "--view",
    "named_views",
    metavar="NAME=COLUMNS",
    multiple=True,
    help="A view by its columns, with commas and wildcards: --view 'genes=gene_*'.",
)
STD = click.option(
    "--std",
    metavar="FILE",
    help="Where to write how far draws spread (variational codes only).",
)
MEMORY = click.option(
    "--memory",
    metavar="SIZE",
    default="512MB",
    show_default=True,
    help="Of a folder: bytes of it that may be in memory at a time.",
)
_FOLDER = (
    click.option(
        "--jobs", type=click.IntRange(1), default=1, help="Of a folder: processes side by side."
    ),
    click.option(
        "--on-error",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        help="Of a folder: whether rows that cannot be read end the run, or are set aside.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["processes", "ray"]),
        default="processes",
        help="Of a folder: who has the --jobs done; Ray, where its cluster has more than one "
        "machine.",
    ),
)
_TEXT = (
    click.option(
        "--header/--no-header",
        default=None,
        help="Whether the first row of a CSV file holds names; found by default, as are the next "
        "three.",
    ),
    click.option("--sep", metavar="MARK", help="Of a CSV file: what stands between fields."),
    click.option("--decimal", metavar="MARK", help="Of a CSV file: a point or a comma."),
    click.option("--encoding", metavar="NAME", help="Of a CSV file: such as latin-1."),
    click.option("--thousands", metavar="MARK", help="Of a CSV file: what stands between them."),
    click.option(
        "--na",
        metavar="TEXT",
        multiple=True,
        help="Of a CSV file: a cell that says that nothing was measured (may be repeated).",
    ),
    click.option(
        "--max-columns",
        type=click.IntRange(1),
        metavar="N",
        help="Of a CSV file: how many columns it may have (100,000 by default).",
    ),
)

_SELECTION = (
    click.option(
        "--columns",
        metavar="NAMES",
        multiple=True,
        help="Use these columns only (comma-separated; may be repeated).",
    ),
    click.option(
        "--drop",
        metavar="NAMES",
        multiple=True,
        help="Leave these columns out (comma-separated; may be repeated).",
    ),
    click.option(
        "--id",
        "ids",
        metavar="NAMES",
        multiple=True,
        help="Not features: carry these columns to the output as they are.",
    ),
)


def output(function: Function) -> Function:
    """Add the options of where a result is written, ``output``, and how."""
    for option in reversed(_OUTPUT):
        function = option(function)
    return function


def folder(function: Function) -> Function:
    """Add the options for a folder in and a folder out: ``jobs``, ``on_error``, ``engine``."""
    for option in reversed(_FOLDER):
        function = option(function)
    return function


def selection(function: Function) -> Function:
    """Add the options that choose columns: ``columns``, ``drop``, ``ids`` and ``layout``."""
    function = text_layout(function)
    for option in reversed(_SELECTION):
        function = option(function)
    return function


def text_layout(function: Function) -> Function:
    """Add the options for how CSV files are written, which the verb gets as one: ``layout``."""

    @functools.wraps(function)
    def with_layout(*args: Any, **values: Any) -> Any:
        layout = {field.name: values.pop(field.name) for field in fields(TextLayout)}
        return function(*args, **values, layout=TextLayout(**layout))

    for option in reversed(_TEXT):
        with_layout = option(with_layout)
    return with_layout  # type: ignore[return-value]
