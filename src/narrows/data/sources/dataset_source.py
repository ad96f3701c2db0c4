"""A dataset of Arrow as a source: any file system, format and partition that pyarrow knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from narrows.core.types import Json
from narrows.data.sources.arrow_source import ArrowSource, Roles
from narrows.errors import SourceError


class DatasetSource(ArrowSource):
    """The fragments of a `pyarrow.dataset.Dataset`; of Parquet files, their row groups.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
        What columns of partitions hold is read, too.
    roles : Roles
        What the columns are for.
    memory : int
        Bytes that training may hold of it at a time.
    """

    def __init__(self, dataset: Any, roles: Roles, memory: int) -> None:
        try:
            fragments = [part for own in dataset.get_fragments() for part in _parts(own)]
            sizes = [_n_rows(part) for part in fragments]
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"cannot read the dataset: {error}") from error
        pairs = [(part, size) for part, size in zip(fragments, sizes, strict=True) if size]
        self._fragments = [part for part, _ in pairs]
        self._schema = dataset.schema
        super().__init__(dataset.schema, [size for _, size in pairs], roles, memory, "the dataset")

    def table(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a fragment."""
        try:
            return self._fragments[number].to_table(
                columns=list(columns), schema=self._schema, use_threads=False
            )
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"cannot read {self.place(number)}: {error}") from error

    def place(self, number: int) -> str:
        """Return the file, and its row groups where it is of Parquet."""
        fragment = self._fragments[number]
        groups = getattr(fragment, "row_groups", None)
        own = "" if groups is None else f", row group {', '.join(str(g.id) for g in groups)}"
        return f"{getattr(fragment, 'path', 'fragment')}{own}"

    def identity(self) -> Json:
        """Return which parts there are, and how many rows each has."""
        places = [self.place(number) for number in range(self.n_pieces)]
        return {"parts": places, "sizes": self.sizes.tolist(), "columns": self._read}


def _parts(fragment: Any) -> list[Any]:
    split = getattr(fragment, "split_by_row_group", None)
    return [fragment] if split is None else list(split())


def _n_rows(fragment: Any) -> int:
    """Return how many rows a fragment has; of one row group, `count_rows` counts the whole file."""
    groups = getattr(fragment, "row_groups", None)
    return int(fragment.count_rows() if groups is None else sum(g.num_rows for g in groups))
