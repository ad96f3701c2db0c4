"""A trained network and all it takes to apply it to tables, block by block."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import narwhals as nw
import numpy as np
import torch
from torch import Tensor, nn

from narrows.core import checks
from narrows.core.number_range import all_are_finite, within
from narrows.core.randomness import seed
from narrows.core.types import Json, Matrix, RandomState, TableLike
from narrows.data import batches, reading
from narrows.data.column import Column
from narrows.data.column_statistics import Rows, blocks
from narrows.data.column_types import PLAIN
from narrows.data.fingerprint import Fingerprint, Seen
from narrows.data.frames import Frame
from narrows.data.layout import Layout
from narrows.data.reading import names_of
from narrows.data.row_shape import RowShape
from narrows.data.scaling import Scaling
from narrows.data.table import as_tensor, fill_missing
from narrows.errors import ParameterError
from narrows.inference.stack import Stack
from narrows.losses.columnwise import ColumnGroup
from narrows.network.composition import Composition
from narrows.network.input_layer import to_inputs
from narrows.network.network import Network
from narrows.network.objective import Objective

BLOCK_CELLS = 1 << 20  # of what rows become, levels as inputs: they stay in the processor's cache

# (network, scaled rows or codes, which cells were measured or None) -> a row for each.
RowFunction = Callable[[Network, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained network and all it takes to apply it to a table.

    What `fit` decided, whatever the settings of its estimator are by now. Estimators hold one, and
    what they can do with it are functions of it: see `narrows.inference`.

    Parameters
    ----------
    network : Network
        Trained.
    composition : Composition
        The parts it was made of.
    objective : Objective
        What it was trained for.
    scaling : Scaling
        Of the columns.
    layout : Layout
        The columns, and what was measured of those that are not plain numbers.
    reader : BaseEstimator
        Knows how many columns there are, and their names, for scikit-learn's checks; nothing else.
    fingerprint : Fingerprint or None
        Of the rows of fit; None in files of versions that wrote none.
    stack : Stack or None
        The linear answer beside the network's; None where fit kept none.
    score_percentiles : ndarray of shape (101,) or None
        Percentiles 0 to 100 of the scores of rows; None after `partial_fit`, and in older files.
    """

    network: Network
    composition: Composition
    objective: Objective
    scaling: Scaling
    layout: Layout
    reader: Any
    fingerprint: Fingerprint | None = None
    stack: Stack | None = None
    score_percentiles: Matrix | None = None

    @property
    def n_components(self) -> int:
        """Length of the code."""
        return self.composition.n_components

    @property
    def n_features(self) -> int:
        """How many columns the table has."""
        return self.layout.n_features

    @property
    def names(self) -> list[str] | None:
        """What the columns are called, where they have names."""
        return names_of(self.reader)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What each column is."""
        return self.layout.columns or (PLAIN,) * self.n_features

    @functools.cached_property
    def _parameter(self) -> nn.Parameter:
        return next(self.network.parameters())

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._parameter.device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self._parameter.dtype

    def network_in(self, dtype: torch.dtype) -> Network:
        """Return the network in a precision: itself, or a copy that is kept until it changes."""
        if self.dtype == dtype:
            return self.network
        state = [(p.data_ptr(), p._version) for p in self._tensors]
        kept = self._copies.get(dtype)
        if kept is None or kept[0] != state:
            with torch.inference_mode(False):  # whose tensors could not be differentiated later
                kept = self._copies[dtype] = state, copy.deepcopy(self.network).to(dtype)
        return kept[1]

    def __getstate__(self) -> Json:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @functools.cached_property
    def _tensors(self) -> list[Tensor]:
        return [*self.network.parameters(), *self.network.buffers()]

    @functools.cached_property
    def _copies(self) -> dict[torch.dtype, tuple[list[tuple[int, int]], Network]]:
        return {}

    def generator(self, random_state: RandomState) -> torch.Generator:
        """Return a generator on the device of the network."""
        return torch.Generator(self.device).manual_seed(seed(random_state))

    def view_columns(self, view: str) -> list[int]:
        """Return the numbers of a view's columns.

        Raises
        ------
        ParameterError
            If there is no such view, or no other one.
        """
        views = {placed.name: list(placed.columns) for placed in self.layout.views}
        if len(views) < 2:
            raise ParameterError(
                f"view={view!r}: the model has no several views; fit it with views="
            )
        return views[checks.choice("view", view, views)]

    def read(self, X: TableLike) -> Rows:
        """Return a table with the columns of fit as rows of numbers, NaN where none was measured.

        Raises
        ------
        DataError
            If X cannot be used as it is.
        """
        X = self.flat(X)
        return reading.read(self.reader, X, reset=False, missing=True, schema=self.layout.schema)

    def flat(self, X: TableLike) -> TableLike:
        """Return sequences as flat rows, and anything else as it is.

        Raises
        ------
        DataError
            If rows have another shape than those of fit.
        """
        own = self.layout.row_shape
        return X if own is None else own.flattened(X, self.n_features)

    def count_seen(self, rows: Rows) -> Seen:
        """Return how many of some rows, as `read` gives them, fit has seen."""
        if self.fingerprint is None:
            return Seen.unknown(rows.shape[0])
        return self.fingerprint.seen(rows)

    def encode(self, rows: Rows) -> Matrix:
        """Return the codes of rows."""
        return self.map(
            rows, lambda network, x, observed: network.encode(x, observed), self.n_components
        )

    def decode(self, codes: Matrix, covariates: Matrix | None = None) -> Matrix:
        """Return the rows that codes stand for, in the units of the table.

        Beside `covariates`, shape (n_samples, n_covariates), or else their means.
        """

        def decoded(network: Network, y: Tensor, _: Tensor | None) -> Tensor:
            code, beside = self._apart(y)
            return network.decode(code, None, beside)

        both = _beside(codes, covariates)
        return self.scaling.decode(self.map(both, decoded, self.n_features, of_codes=True))

    def _apart(self, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return codes, and the covariates that stand behind them, if any do."""
        k = self.n_components
        return y[:, :k], y[:, k:] if y.shape[1] > k else None

    def covariates(self, rows: Rows) -> Matrix | None:
        """Return what the decoder is given of rows beside their codes, if anything."""
        if not self.network.n_covariates:
            return None

        def own(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            beside = network.covariates(x, observed)
            assert beside is not None
            return beside

        return self.map(rows, own, self.network.n_covariates)

    def covariates_for(self, X: TableLike, n_rows: int) -> Matrix:
        """Return the covariates of other rows for so many codes; one row's for all of them.

        Raises
        ------
        ParameterError
            If the model has no covariates, or there are not as many rows.
        DataError
            If X cannot be used as it is.
        """
        beside = self.covariates(self.read(X))
        if beside is None:
            raise ParameterError(
                "covariates= was given, but the model has none; fit with covariates= first"
            )
        if len(beside) not in (1, n_rows):
            raise ParameterError(
                f"covariates= has {len(beside)} rows, and there are {n_rows} to decode; give as "
                "many, or one for all"
            )
        return np.broadcast_to(beside, (n_rows, beside.shape[1]))

    def reconstruct(self, rows: Rows) -> Matrix:
        """Return rows encoded and decoded, in the units of the table, all cells filled."""

        def decoded(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            return network.reconstruct(x, observed)

        return self.scaling.decode(self.map(rows, decoded, self.n_features))

    def to_inputs(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Return rows as the network sees them, a column per level, and what was measured of it."""
        return to_inputs(rows, self.scaling, self.layout)

    def decode_to_inputs(self, codes: Matrix, covariates: Matrix | None = None) -> Matrix:
        """Return the mean of what the network would see of the rows that codes stand for.

        Beside `covariates`, shape (n_samples, n_covariates), or else their means.
        """

        def decoded(network: Network, y: Tensor, observed: Tensor | None) -> Tensor:
            code, beside = self._apart(y)
            return self._mean_inputs(network.decode_raw(code, None, beside))

        return self.map(_beside(codes, covariates), decoded, self.n_outputs, of_codes=True)

    def decoded_inputs(self, network: Network, codes: Tensor) -> Tensor:
        """Return the same for codes, by a network that may be another of its kind."""
        return self._mean_inputs(network.decode_raw(codes))

    def exact_decoder(self, network: Network) -> Callable[[Tensor], Tensor]:
        """Return `decoded_inputs` of a network in float64, whatever precision it has."""
        if network is self.network and self.device.type == "cpu":
            exact = self.network_in(torch.float64)
        else:
            exact = copy.deepcopy(network).to("cpu", torch.float64)

        def decode(codes: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.decoded_inputs(exact, codes)

        return decode

    def expected_inputs(self, rows: Rows) -> Matrix:
        """Return the mean of what the network would see of rows that it encodes and decodes."""
        return self.map(rows, self.said_inputs, self.n_outputs)

    def said_inputs(self, network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
        """Return the same for scaled rows, by a network that may be another of its kind."""
        code, covariates = network.encode(x, observed), network.covariates(x, observed)
        return self._mean_inputs(network.decode_raw(code, observed, covariates))

    def from_inputs(self, inputs: Tensor) -> Tensor:
        """Return the scaled cells that expected inputs mean, shape (n_rows, n_features)."""
        cells = inputs.new_empty(len(inputs), self.n_features)
        for group in self.column_groups:
            cells[:, group.of_table] = group.from_inputs(inputs)
        return cells

    def input_spread(self, inputs: Tensor, deviations: Tensor) -> Matrix:
        """Return how far cells may be off, in units of the table, shape (n_rows, n_features)."""
        spread = np.empty((len(inputs), self.n_features))
        for group in self.column_groups:
            columns = list(group.columns)
            own = group.input_spread(inputs, deviations)
            if own is not None:
                spread[:, columns] = own.numpy()
                continue
            spread[:, columns] = deviations[:, list(group.outputs)].numpy()
            if self.scaling.scale is not None:
                spread[:, columns] *= self.scaling.scale[columns]
        return spread

    @functools.cached_property
    def column_groups(self) -> list[ColumnGroup]:
        """The columns with their losses and links."""
        return self.composition.column_groups(self.layout)

    @functools.cached_property
    def n_outputs(self) -> int:
        """How many numbers the network says of a row."""
        return len(self.layout.output_columns(range(self.n_features)))

    def _mean_inputs(self, raw: Tensor) -> Tensor:
        means = torch.empty_like(raw)
        for group in self.column_groups:
            means[:, group.of_outputs] = group.mean_inputs(raw)
        return means

    def map(
        self,
        rows: Rows,
        function: RowFunction,
        width: int,
        *,
        of_codes: bool = False,
        gradients: bool = False,
    ) -> Matrix:
        """Apply a function to rows block by block, in their dtype.

        Parameters
        ----------
        rows : array or CSR array of shape (n_samples, n_features)
            As `read` gives them; they are scaled first.
        function : callable
            Of the network, scaled rows, and which of their cells were measured (None if all);
            returns a Tensor of shape (n_rows, width).
        width : int
            Of what it returns.
        of_codes : bool
            Whether the rows are codes, which are not scaled.
        gradients : bool
            Whether the function takes derivatives.

        Returns
        -------
        ndarray of shape (n_samples, width)
        """
        n_rows, n_columns = rows.shape[0], max(self.n_features, self.n_outputs) + width
        out = np.empty((n_rows, width), rows.dtype)
        with torch.no_grad() if gradients else torch.inference_mode():
            for block in blocks(n_rows, n_columns, BLOCK_CELLS, batches.ROWS_AT_ONCE):
                own = rows[block]
                result = self._apply(own, function, of_codes=of_codes)
                if rows.dtype != np.float64 and not all_are_finite(result):
                    wide = self._apply(own.astype(np.float64), function, of_codes=of_codes)
                    result = within(wide, rows.dtype)
                out[block] = result
        return out

    def _apply(self, rows: Rows, function: RowFunction, *, of_codes: bool) -> Matrix:
        """Return what a function gives of a block of rows, computed in their dtype."""
        dtype = torch.float64 if rows.dtype == np.float64 else torch.float32
        network, fill = self.network_in(dtype), None
        if self.scaling.fill is not None:
            fill = as_tensor(self.scaling.fill).to(self.device, dtype)
        values = rows if of_codes else self.scaling.encode(rows, rows.dtype)
        x = as_tensor(np.ascontiguousarray(values)).to(self.device)
        inputs = (x, None) if of_codes else fill_missing(x, fill)
        result: Matrix = function(network, *inputs).cpu().numpy()
        return result

    def as_table(self, rows: Matrix, like: TableLike = None) -> TableLike:
        """Return rows in the units of the table as a person has them: levels by their names.

        ``like`` is the table they came from, whose library, labels, dtypes, index or shape they
        have; those of fit without.
        """
        frame = Frame.of(like) or self.own_frame()
        if frame:
            return self.as_frame(rows, frame, like)
        return self.in_shape(self.as_array(rows), like)

    def in_shape(self, rows: Matrix, like: TableLike = None) -> TableLike:
        """Return flat rows in the shape of the rows of ``like``; of those of fit without."""
        own = self.layout.row_shape
        if like is not None:
            own = RowShape.of(like) if own is None else own.of_rows(like)
        return rows if own is None else own.like_fit(self.n_features).restore(rows)

    def own_frame(self) -> Frame | None:
        """Return what the frame of fit was, where its columns were not plain numbers."""
        schema = self.layout.schema
        if schema is None or schema.library is None or schema.names is None:
            return None
        return self.layout.frame or Frame.plain(schema.library, schema.names)

    def frame_for(self, X: TableLike) -> Frame | None:
        """Return the frame of fit's columns in the library of X; None if X is no frame."""
        frame, own = Frame.of(X), self.layout.frame
        if frame is None:
            return self.own_frame()
        if own is not None and own.library == frame.library:
            return own
        names = self.names or [f"x{i}" for i in range(self.n_features)]
        return Frame.plain(frame.library, names)

    def as_frame(self, rows: Matrix, frame: Frame, like: TableLike = None) -> TableLike:
        """Return rows as a data frame, with the index of ``like``."""
        return frame.decoded(self.columns, self.cells(rows), index_of(like))

    def cells(self, rows: Matrix) -> list[Any]:
        """Return a list of columns: numbers, and levels by their names."""
        schema = self.layout.schema
        return list(rows.T) if schema is None else schema.restored(rows)

    def as_array(self, rows: Matrix) -> Matrix:
        """Return rows as an array: of objects where there are levels."""
        if self.layout.schema is None:
            return rows
        cells = self.cells(rows)
        levels = any(isinstance(column, list) for column in cells)
        array = np.empty(rows.shape, object if levels else rows.dtype)
        for number, column in enumerate(cells):
            array[:, number] = column
        return array


def weights_digest(network: nn.Module) -> str:
    """Return a hash of all that a network keeps."""
    digest = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def index_of(X: TableLike) -> Any:
    """Return the index of a frame of pandas; None of any other table."""
    return X.index if nw.dependencies.is_pandas_dataframe(X) else None


def _beside(codes: Matrix, covariates: Matrix | None) -> Matrix:
    """Return codes with covariates behind them, if there are some."""
    return codes if covariates is None else np.hstack([codes, covariates.astype(codes.dtype)])
