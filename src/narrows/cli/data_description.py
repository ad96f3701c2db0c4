"""Description of a data file, column by column, for people and for programs."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape
from rich.table import Table

from narrows.cli import folders, output, tables
from narrows.core.types import Json
from narrows.data.formats import files
from narrows.data.formats.text_layout import TextLayout

STYLES: Json = {
    **{heading: {"justify": "right"} for heading in ("missing", "min", "mean", "max")},
    "note": {"style": "yellow"},
}


def show(path: str, *, layout: TextLayout, as_json: bool) -> None:
    """Print what is in the columns of a data file."""
    table = folders.read_table(path, layout=layout)
    columns = [describe_column(name, table[name]) for name in table.column_names]
    if as_json:
        output.json_object({"data": path, "rows": table.num_rows, "columns": columns})
        return
    shown_ones, caption = output.some_of(columns, lambda column: bool(column["note"]))
    title = f"{escape(path)}: {table.num_rows:,} rows, {len(columns):,} columns"
    grid = Table(title=title, caption=caption)
    for heading in columns[0]:
        grid.add_column(heading, **STYLES.get(heading, {}), overflow="fold")
    for column in shown_ones:
        grid.add_row(*(escape(output.shown(value)) for value in column.values()))
    output.table(grid)


def describe_column(name: str, column: pa.ChunkedArray) -> Json:
    """Return name, type, missing cells, range and mean of a column, and what stands in its way."""
    numeric = tables.is_numeric(column.type)
    values = pc.drop_null(column.cast(pa.float64(), safe=False)) if numeric else None
    return {
        "name": name,
        "type": str(column.type),
        "missing": tables.missing_cells(column),
        **_range(values),
        "note": _note(column, values),
    }


def _range(values: pa.ChunkedArray | None) -> dict[str, float | None]:
    if values is None:
        return {"min": None, "mean": None, "max": None}
    values = values.filter(pc.is_finite(values))
    return {
        "min": pc.min(values).as_py(),
        "mean": pc.mean(values).as_py(),
        "max": pc.max(values).as_py(),
    }


def _note(column: pa.ChunkedArray, values: pa.ChunkedArray | None) -> str:
    if values is None:
        if not files.holds_text(column.type):
            return "not numeric"
        writing = tables.how_to_read(column)
        if writing is not None:
            return writing
        return f"categorical, {pc.count_distinct(column).as_py()} levels"
    if pc.any(pc.is_inf(values)).as_py():
        return "infinite cells"
    if pc.count_distinct(values).as_py() <= 1:
        return "constant"
    return ""
