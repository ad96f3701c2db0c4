"""Sources whose pieces are tables of Arrow: what they share, and record batches in a file."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from narrows.core.types import Json, Matrix
from narrows.data.formats.files import check_names, known_columns
from narrows.data.sources.source import Beside, Piece, Source, identity_of
from narrows.errors import SourceError

FEATURES = ("numbers", "booleans", "text", "nothing")
INDEX_NAME = re.compile(r"__index_level_\d+__")  # how pandas leaves a row index in a file


class Roles(NamedTuple):
    """Which columns of a source are features, and what others are for."""

    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()
    ids: Sequence[str] = ()
    weight: str | None = None
    target: str | None = None

    @property
    def beside(self) -> list[str]:
        """The columns that are no features but are read."""
        return [*self.ids, *(name for name in (self.weight, self.target) if name is not None)]

    def features(self, where: str, known: Sequence[str]) -> list[str]:
        """Return the columns that are features.

        Raises
        ------
        SourceError
            If a name is unknown, or none is left.
        """
        for names in (self.beside, self.drop):
            known_columns(where, names, known)
        left_out = {*self.beside, *self.drop}
        chosen = known if self.columns is None else known_columns(where, self.columns, known)
        features = [
            name for name in chosen if name not in left_out and not INDEX_NAME.fullmatch(name)
        ]
        if not features:
            raise SourceError(f"{where} has no columns left to use; drop fewer of them")
        return features


class ArrowSource(Source):
    """A source whose pieces are tables of Arrow, in the same columns all of them.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of all columns there are.
    sizes : sequence of int
        How many rows each piece has.
    roles : Roles
        What the columns are for.
    memory : int
        Bytes that training may hold of it at a time.
    where : str
        What messages call it.
    """

    def __init__(
        self, schema: pa.Schema, sizes: Sequence[int], roles: Roles, memory: int, where: str
    ) -> None:
        check_names(where, schema.names)
        features = roles.features(where, schema.names)
        super().__init__(features, len(features), sizes, memory)
        self.roles, self.where = roles, where
        self._read = list(dict.fromkeys([*features, *roles.beside]))
        self._checked: pa.Schema = schema  # the last that was looked at
        self._kinds = {name: kind_of(schema.field(name).type) for name in self._read}
        for name in features:
            if self._kinds[name] not in FEATURES:
                raise SourceError(
                    f"column {name!r} of {where} holds {schema.field(name).type}, which is neither "
                    "numbers nor text; turn it into numbers, or leave it out with drop="
                )

    @abstractmethod
    def table(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a piece."""

    def piece(self, number: int) -> Piece:
        """Return the rows of a piece."""
        table = self.table(number, self._read)
        if table.num_rows != self.sizes[number]:
            raise SourceError(
                f"{self.place(number)} has {table.num_rows:,} rows where it said "
                f"{self.sizes[number]:,}; it is damaged or was replaced: make it anew"
            )
        if not table.schema.equals(self._checked):
            check_kinds(self.place(number), self._kinds, table.schema)
            self._checked = table.schema
        roles = self.roles
        return Piece(
            table.select(list(self.names or ())),
            None if roles.weight is None else self._numbers(number, table, roles.weight),
            None if roles.target is None else self._target(number, table, roles.target),
            table.select(list(roles.ids)) if roles.ids else None,
        )

    def beside(self, number: int) -> Beside:
        """Return targets and weights of a piece, reading no other column."""
        roles = self.roles
        names = [name for name in (roles.target, roles.weight) if name is not None]
        if not names:
            return Beside(None, None)
        table = self.table(number, list(dict.fromkeys(names)))
        return Beside(
            None if roles.target is None else self._target(number, table, roles.target),
            None if roles.weight is None else self._numbers(number, table, roles.weight),
        )

    def _target(self, number: int, table: pa.Table, name: str) -> Matrix:
        """Return numbers, or classes of text or truth values as they are."""
        column = table[name]
        if self._kinds[name] == "numbers":
            numbers = self._numbers(number, table, name)
            return column.to_numpy() if pa.types.is_integer(column.type) else numbers
        if self._kinds[name] not in FEATURES:
            raise SourceError(
                f"column {name!r} of {self.where} holds {column.type}, which is neither numbers "
                "nor text, so it is no target"
            )
        if column.null_count:
            row = int(column.is_null().to_numpy().argmax())
            raise SourceError(
                f"column {name!r} of {self.place(number)} is empty in row {row}; give a class for "
                "each row, or leave the row out"
            )
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        values: Matrix = column.to_numpy()
        return values

    def _numbers(self, number: int, table: pa.Table, name: str) -> Matrix:
        column = table[name]
        if self._kinds[name] != "numbers":
            raise SourceError(f"column {name!r} of {self.where} holds {column.type}, no numbers")
        values: Matrix = column.cast(pa.float64()).to_numpy()
        bad = np.flatnonzero(~np.isfinite(values))
        if name == self.roles.weight and not bad.size:
            bad = np.flatnonzero(values < 0)
        if bad.size:
            raise SourceError(
                f"column {name!r} of {self.place(number)} has {values[bad[0]]:g} in row {bad[0]}; "
                "give a finite number for each row, for weights at least 0"
            )
        return values


class ArrowFileSource(ArrowSource):
    """A file of Arrow record batches (IPC, Feather), which stays on the disk."""

    def __init__(self, path: str | os.PathLike[str], roles: Roles, memory: int) -> None:
        self.path = os.fspath(path)
        try:
            self._file = pa.ipc.open_file(pa.memory_map(self.path))
            sizes = [self._file.get_batch(i).num_rows for i in range(self._file.num_record_batches)]
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError(
                f"cannot read {self.path} as Arrow record batches: {error}"
            ) from error
        super().__init__(self._file.schema, sizes, roles, memory, self.path)

    def table(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a record batch."""
        return pa.Table.from_batches([self._file.get_batch(number)]).select(list(columns))

    def place(self, number: int) -> str:
        """Return file and record batch."""
        return f"{self.path}, record batch {number}"

    def identity(self) -> Json:
        """Return what tells the file from another."""
        return {"file": identity_of(self.path), "columns": self._read}


def kind_of(kind: pa.DataType) -> str:
    """Return what cells of an Arrow type are, in a word; numbers of all widths are alike."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return "numbers"
    if pa.types.is_boolean(kind):
        return "booleans"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return "nothing" if pa.types.is_null(kind) else str(kind)


def check_kinds(place: str, kinds: Json, schema: pa.Schema) -> None:
    """Refuse a piece whose columns are not what those of the first one are.

    Raises
    ------
    SourceError
        With the column, and what it is there and was before.
    """
    known_columns(place, list(kinds), schema.names)
    for name, kind in kinds.items():
        own = kind_of(schema.field(name).type)
        if own != kind and "nothing" not in (own, kind):
            raise SourceError(
                f"column {name!r} of {place} holds {own}, where the first piece has {kind}; write "
                "both alike, or leave the column out with drop="
            )
