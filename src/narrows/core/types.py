"""Names for what arguments are, where libraries that we serve have no types of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:  # importing numpy would make `narrows --help` slow
    import numpy as np
    from numpy.typing import NDArray

# An array of any numeric dtype, (n_rows, n_columns) unless its docstring says otherwise.
Matrix: TypeAlias = "NDArray[Any]"
# numpy, scipy.sparse, pandas, polars, pyarrow, ...: whatever `data.reading` reads.
TableLike: TypeAlias = Any
# Classes or numbers, one for each row, in any container.
TargetLike: TypeAlias = Any
# An estimator of scikit-learn, or one that behaves like it.
Estimator: TypeAlias = Any
# A seed, a generator of numpy's, or None for fresh entropy.
RandomState: TypeAlias = "int | np.random.RandomState | None"
# Plain data by name: settings, rows of a history, what goes into a JSON file.
Json: TypeAlias = dict[str, Any]
# Parameters of an estimator, or anything else, by name.
Named: TypeAlias = Mapping[str, Any]
# A data frame of any library, or one of its columns.
FrameLike: TypeAlias = Any
SeriesLike: TypeAlias = Any
# The setting of an axis: a part, its name, or what else that axis takes.
Part: TypeAlias = Any
# What a JSON file may hold in one place.
JsonValue: TypeAlias = Any
# A dtype of numpy, or of a library of data frames.
DTypeLike: TypeAlias = Any
# One cell of a table that is not a number: text, a category, True, None.
Level: TypeAlias = Any


class RowAxes(Protocol):
    """What the rows of a table are besides flat: images, volumes or sequences."""

    @property
    def axes(self) -> tuple[int, ...]:
        """Of a row as it lies in the flat one: (channels, height, width), (steps, channels)."""

    @property
    def has_channels(self) -> bool:
        """Whether the first axis is known to be that of channels."""

    @property
    def is_ragged(self) -> bool:
        """Whether rows are sequences that differ in length."""

    def in_words(self) -> str:
        """Return the shape as the array has it."""
