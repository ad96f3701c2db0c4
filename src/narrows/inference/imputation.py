"""Missing: filling the holes of rows, and predicting one view from the others."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.core import checks
from narrows.core.randomness import seed
from narrows.data import containers, reading
from narrows.data.frames import Frame, filled_array
from narrows.data.reading import called
from narrows.errors import CompositionError, DataError, MissingWarning, stacklevel
from narrows.inference.fitted_model import Fitted, index_of
from narrows.network.network import Network

Matrix = NDArray[Any]


def _spreads(frame: Frame | None, spread: Matrix, X: Any) -> Any:
    """Return spreads as a frame with the labels and the index of the table, if it was one."""
    if frame is None:
        return spread
    return frame.numbers(spread, index_of(X))


class Imputation(Fitted):
    """What a fitted autoencoder knows of cells that were not measured."""

    def impute(
        self,
        X: Any,
        *,
        return_std: bool = False,
        n_draws: int = 20,
        random_state: Any = None,
    ) -> Any:
        """Return X with its holes filled by what the model says; no other cell is touched.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit; NaN (None, pd.NA, null) is a hole.
        return_std : bool, default=False
            Whether to return how far draws of a variational code spread, too.
        n_draws : int, default=20
            How many draws that takes.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        filled : ndarray or data frame of shape (n_samples, n_features)
            As X is, with its dtypes; empty only where a column was never seen in fit. Measured
            cells are those of X, bit for bit; whole numbers are filled with whole numbers.
        std : ndarray or data frame of shape (n_samples, n_features)
            If asked for; 0 in cells that were measured. The spread of the means that the draws are
            decoded to: the noise of single cells comes on top. Of levels, the share of draws that
            are not the most frequent one.

        Raises
        ------
        CompositionError
            If a spread is asked of a code that is no distribution.
        """
        rows = self._dense(X)
        holes = np.isnan(rows)
        found = self._guess(rows)
        self._remark(rows, holes)
        filled = self._put(X, found, holes)
        if not return_std:
            return filled
        spread = np.where(holes, self._spread(rows, n_draws, random_state), 0.0)
        return filled, _spreads(Frame.of(X), spread, X)

    def translate(
        self,
        X: Any,
        to: str,
        *,
        return_std: bool = False,
        n_draws: int = 20,
        random_state: Any = None,
    ) -> Any:
        """Return one view of rows as the other views tell it.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit. Those of the view may hold anything, as they are not
            looked at, or be left out.
        to : str
            The view.
        return_std : bool, default=False
            Whether to return how far draws of a variational code spread, too.
        n_draws : int, default=20
            How many draws that takes.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        translated : ndarray or data frame of shape (n_samples, n_features_of_view)
            In the units of the table; a frame, with the dtypes of fit, if X is one.
        std : ndarray or data frame of shape (n_samples, n_features_of_view)
            If asked for.

        Raises
        ------
        ParameterError
            If the model has no such view, or no other one.
        CompositionError
            If a spread is asked of a code that is no distribution.
        """
        check_is_fitted(self, "network_")
        columns = self._columns_of(to)
        whole = reading.completed(X, self.layout_.n_features, columns, self._names)
        rows = self._dense(whole).copy()
        rows[:, columns] = np.nan
        found, frame = self._guess(rows), self._frame_for(X)
        part = None if frame is None else frame.select(columns)
        if part is None:
            said = self._as_array(found)[:, columns]
        else:
            kinds, cells = self._kinds, self._cells(found)
            own = [kinds[i] for i in columns], [cells[i] for i in columns]
            said = part.decoded(*own, index_of(X))
        if not return_std:
            return said
        return said, _spreads(part, self._spread(rows, n_draws, random_state)[:, columns], X)

    def _put(self, X: Any, found: Matrix, holes: Matrix) -> Any:
        """Return X with what was found in its holes, all other cells as they are."""
        frame = Frame.of(X)
        if frame is not None:
            return frame.filled(X, self._kinds, self._cells(found), holes)
        array = X if isinstance(X, np.ndarray) else containers.opened(X)
        return filled_array(array, self._as_array(found), holes)

    def _dense(self, X: Any) -> Matrix:
        rows = self._rows(X)
        if scipy.sparse.issparse(rows):
            raise DataError(
                "X is sparse, and its cells without an entry are zeros, not holes; give an array "
                "with NaN where nothing was measured"
            )
        found: Matrix = rows
        return found

    def _guess(self, rows: Matrix) -> Matrix:
        def decoded(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            return network.decode(network.encode(x, observed), observed)

        found = self.encoding_.decode(self._map(rows, decoded, self.n_features_in_))
        if self.encoding_.unseen is not False:
            found[:, self.encoding_.unseen] = np.nan
        return found

    def _spread(self, rows: Matrix, n_draws: int, random_state: Any) -> Matrix:
        """Return the standard deviation of what draws of the code are decoded to."""
        if not self._composition.latent.is_distribution:
            raise CompositionError(
                f"latent={self._composition.latent!r} has no spread; use recipes.variational, or "
                "return_std=False"
            )
        count = checks.integer("n_draws", n_draws, low=2)
        generator = torch.Generator(self._weight.device).manual_seed(seed(random_state))

        def drawn(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            return network.decode(network.posterior(x, observed).rsample(generator), observed)

        width = self.n_features_in_
        draws = [self.encoding_.decode(self._map(rows, drawn, width)) for _ in range(count)]
        found: Matrix = np.std(draws, axis=0, ddof=1)
        for column in self.layout_.levelled:
            levels = np.array([draw[:, column] for draw in draws])
            agree = (levels[:, None] == levels[None]).sum(1).max(0)
            found[:, column] = 1 - agree / count
        return found

    def _remark(self, rows: Matrix, holes: Matrix) -> None:
        empty = int(holes.all(1).sum())
        if empty:
            warnings.warn(
                f"{empty} of {len(rows)} rows have no measured cell, so they are filled with what "
                "the model says of a row it knows nothing of",
                MissingWarning,
                stacklevel=stacklevel(),
            )
        unseen = np.flatnonzero(holes.any(0) & self.encoding_.unseen)
        if unseen.size:
            warnings.warn(
                f"no cell of {called(unseen, self._names)} was measured in fit, so what is missing "
                "there stays NaN",
                MissingWarning,
                stacklevel=stacklevel(),
            )
