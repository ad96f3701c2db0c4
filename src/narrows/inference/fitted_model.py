"""Fitted: how a fitted network is applied to a table, block by block."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.core import checks
from narrows.core.isolation import Isolated
from narrows.data import reading
from narrows.data.column import Column
from narrows.data.fingerprint import Fingerprint
from narrows.data.frames import Frame
from narrows.data.layout import Layout
from narrows.data.reading import names_of
from narrows.data.scaling import Encoding, Rows, blocks
from narrows.data.table import as_tensor, measured
from narrows.errors import ParameterError
from narrows.network.composition import Composition
from narrows.network.network import Network
from narrows.network.objective import Objective

Matrix = NDArray[Any]


def index_of(X: Any) -> Any:
    """Return the index of a frame of pandas; None of any other table."""
    return X.index if nw.dependencies.is_pandas_dataframe(X) else None


class Fitted(Isolated):
    """Reading tables, and a network's answers about their rows; inherited by `Autoencoder`."""

    network_: Network
    encoding_: Encoding
    layout_: Layout
    n_components_: int
    n_features_in_: int
    _fit_settings: dict[str, Any]
    _objective: Objective
    _fingerprint: Fingerprint | None = None  # of the rows of fit

    @property
    def _composition(self) -> Composition:
        """The parts that fit was made of, whatever the settings are by now."""
        return Composition.of({**self._fit_settings, "n_components": self.n_components_})

    @property
    def _names(self) -> list[str] | None:
        return names_of(self)

    def _columns_of(self, view: str) -> list[int]:
        """Return the numbers of a view's columns."""
        known = {placed.name: list(placed.columns) for placed in self.layout_.views}
        if len(known) < 2:
            raise ParameterError(
                f"view={view!r}: the model has no several views; fit it with views="
            )
        return known[checks.choice("view", view, known)]

    @property
    def _weight(self) -> Tensor:
        return next(self.network_.parameters())

    def _rows(self, X: Any) -> Rows:
        check_is_fitted(self, "network_")
        return reading.read(self, X, reset=False, missing=True, schema=self.layout_.schema)

    def _typed(self, rows: Matrix, like: Any = None) -> Any:
        """Return rows in units of the table as a person has them: levels by their names.

        ``like`` is the table they came from, whose library, labels, dtypes and index they have.
        """
        frame = Frame.of(like) or self._own_frame()
        return self._framed(rows, frame, like) if frame else self._as_array(rows)

    def _own_frame(self) -> Frame | None:
        """Return what the frame of fit was, where its columns were no plain numbers."""
        schema = self.layout_.schema
        if schema is None or schema.library is None or schema.names is None:
            return None
        return self.layout_.frame or Frame.plain(schema.library, schema.names)

    def _frame_for(self, X: Any) -> Frame | None:
        """Return the frame of fit's columns in the library of X; None if X is no frame."""
        given, own = Frame.of(X), self.layout_.frame
        if given is None:
            return self._own_frame()
        if own is not None and own.library == given.library:
            return own
        names = self._names or [f"x{i}" for i in range(self.n_features_in_)]
        return Frame.plain(given.library, names)

    def _framed(self, rows: Matrix, frame: Frame, like: Any = None) -> Any:
        return frame.decoded(self._kinds, self._cells(rows), index_of(like))

    @property
    def _kinds(self) -> tuple[Column, ...]:
        return self.layout_.known or (Column(),) * self.n_features_in_

    def _cells(self, rows: Matrix) -> list[Any]:
        schema = self.layout_.schema
        return list(rows.T) if schema is None else schema.restored(rows)

    def _as_array(self, rows: Matrix) -> Matrix:
        if self.layout_.schema is None:
            return rows
        cells = self._cells(rows)
        levels = any(isinstance(column, list) for column in cells)
        found = np.empty(rows.shape, object if levels else rows.dtype)
        for number, column in enumerate(cells):
            found[:, number] = column
        return found

    def _encoded(self, X: Any) -> Matrix:
        rows = self._rows(X)
        return self._map(rows, lambda network, x, seen: network.encode(x, seen), self.n_components_)

    def _decoded(self, code: Matrix) -> Matrix:
        found = self._map(
            code, lambda network, y, seen: network.decode(y), self.n_features_in_, encode=False
        )
        return self.encoding_.decode(found)

    def _map(
        self,
        rows: Rows,
        function: Callable[[Network, Tensor, Tensor | None], Tensor],
        width: int,
        *,
        encode: bool = True,
        derivatives: bool = False,
    ) -> Matrix:
        """Apply ``function`` to scaled rows block by block, in the dtype of the rows.

        ``derivatives`` says whether the function takes some of its own.
        """
        dtype = torch.float64 if rows.dtype == np.float64 else torch.float32
        out = np.empty((rows.shape[0], width), rows.dtype)
        with torch.no_grad() if derivatives else torch.inference_mode():
            network = self.network_
            found = next(network.parameters())
            if found.dtype != dtype:
                network = copy.deepcopy(network).to(dtype)
            fill = None
            if self.encoding_.fill is not None:
                fill = as_tensor(self.encoding_.fill).to(found.device, dtype)
            for block in blocks(rows.shape[0], self.n_features_in_ + width):
                values = self.encoding_.encode(rows[block], rows.dtype) if encode else rows[block]
                x = as_tensor(np.ascontiguousarray(values)).to(found.device)
                seen = measured(x, fill) if encode else (x, None)
                out[block] = function(network, *seen).cpu().numpy()
        return out
