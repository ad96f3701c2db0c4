"""Explanation: what of each view a code keeps, and which columns its components look at."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from narrows import checks, codes
from narrows.architectures.widened import shown
from narrows.errors import DataError, MissingDependencyError
from narrows.fitted import Fitted
from narrows.forward import ForwardPass
from narrows.network import Network

Matrix = NDArray[Any]
Rows = list[dict[str, Any]]
METHODS = ("gradient", "integrated_gradients")


class Explanation(Fitted):
    """What a fitted autoencoder says of its own code; inherited by `Autoencoder`."""

    _edges: tuple[int, bytes, bytes] | None = None  # of the table of fit; not in files

    def explained_variance(self, X: Any, *, train: Any = None) -> Rows:
        """Return the share of each view's variance that the code keeps, in all and by component.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows that fit did not see, with its columns.
        train : array, CSR array or data frame, optional
            The rows of fit, for a PCA of equal size beside it.

        Returns
        -------
        list of dict
            One row per view ("all" is the whole table) and component, for `pandas.DataFrame`:

            view, component : str and int or str
                A number of a component, "total", "shared" or "specific".
            explained : float
                For "total", 1 - (squared error) / (squared distance from the mean), over measured
                cells, of what the network sees: scaled numbers, and a column per level. For a
                component, by how much that falls when the component is held at its mean. For
                "shared", what is left of it when the view itself is hidden from the encoder;
                "specific" is the rest.
            pca : float
                The same of the PCA, NaN without ``train``; its component of the same rank.

        Raises
        ------
        DataError
            If X is the table of fit, has fewer than 2 rows, or has rows of ``train``.
        """
        rows = np.asarray(self._compact(self._rows(X)), np.float64)
        self._check_held_out(rows)
        seen, measured = self._seen(rows)
        means = _mean(seen, measured)
        spread = np.where(measured, (seen - means) ** 2, 0.0)
        code = self._codes_of(rows)
        center = code.mean(0)

        def lost(code: Matrix) -> Matrix:
            found: Matrix = np.where(measured, (self._shown(code) - seen) ** 2, 0.0).sum(0)
            return found

        full = lost(code)
        without = [
            lost(np.where(np.arange(code.shape[1]) == component, center, code)) - full
            for component in range(code.shape[1])
        ]
        linear = self._linear(train, rows, seen, measured)
        found: Rows = []
        for view, columns in self._parts():
            total = spread[:, columns].sum()

            def row(what: int | str, part: float, pca: float, *, view: str = view) -> None:
                share = {"explained": float(part), "pca": float(pca)}
                found.append({"view": view, "component": what, **share})

            kept = 1 - full[columns].sum() / total if total else float("nan")
            row("total", kept, linear.share("total", columns, total))
            for component, more in enumerate(without):
                part = more[columns].sum() / total if total else float("nan")
                row(component, part, linear.share(component, columns, total))
            if len(self.layout_.views) > 1 and view != "all":
                hidden = rows.copy()
                hidden[:, self._columns_of(view)] = np.nan
                lost_then = lost(self._codes_of(hidden))[columns].sum()
                left = 1 - lost_then / total if total else float("nan")
                row("shared", left, float("nan"))
                row("specific", kept - left, float("nan"))
        return found

    def feature_importance(
        self,
        X: Any,
        component: int | str | None = None,
        *,
        method: str = "gradient",
        others: Sequence[Any] = (),
    ) -> Rows:
        """Return how much each column moves the code, or a row's score, most important first.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows to look at: a whole table, or one row to explain.
        component : int, "score" or None, default=None
            A component of the code; "score" for the loss of the row, which is minus its
            `score_samples`; None for all components together.
        method : {"gradient", "integrated_gradients"}, default="gradient"
            "gradient" is the mean of abs(d component / d column) over rows, in scaled units, so by
            how much a step of one standard deviation moves the component. "integrated_gradients"
            (Sundararajan et al., 2017) is the mean of abs of the part of the difference to a row
            of means that is due to the column; it needs captum.
        others : sequence of Autoencoder
            Fitted to the same table with other seeds: their importances are averaged with this
            model's. A component is matched by the correlation of the codes of X.

        Returns
        -------
        list of dict
            One row per column, for `pandas.DataFrame`: column, view, importance. Columns of equal
            importance stand in the order of the table.

        Raises
        ------
        ParameterError
            If there is no such component or method.
        MissingDependencyError
            If captum is asked for and not installed.
        """
        checks.choice("method", method, METHODS)
        chosen: int | str | None = component
        if isinstance(component, str):
            checks.choice("component", component, ("score",))
        elif component is not None:
            chosen = checks.integer("component", component, low=0, high=self._last(X))
        values = [self._importance(X, chosen, method)]
        mine = self._codes_of(self._rows(X)) if others else None
        for other in others:
            match = chosen
            if mine is not None and isinstance(chosen, int):
                pairs = codes.matched(mine, other._codes_of(other._rows(X)))
                match = int(pairs[chosen])
            values.append(other._importance(X, match, method))
        found = np.mean(values, axis=0)
        order = np.argsort(-found, kind="stable")
        view = {column: name for name, own in self._views() for column in own}
        called = self._names or range(self.n_features_in_)
        return [
            {"column": called[i], "view": view.get(int(i)), "importance": float(found[i])}
            for i in order
        ]

    def _last(self, X: Any) -> int:
        self._rows(X)  # an unfitted model says so first
        return self.n_components_ - 1

    def _views(self) -> list[tuple[str, list[int]]]:
        return [(placed.name, list(placed.columns)) for placed in self.layout_.views]

    def _parts(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the views, and the whole table as "all", with their outputs."""
        if len(self.layout_.views) > 1:
            for name, columns in self._views():
                yield name, list(self.layout_.outputs(columns))
        yield "all", list(self.layout_.outputs(range(self.layout_.n_features)))

    def _compact(self, rows: Any) -> Matrix:
        found: Matrix = rows.toarray() if hasattr(rows, "toarray") else rows
        if len(found) < 2:
            raise DataError(f"X has {len(found)} row, which has no variance; give at least 2")
        return found

    def _check_held_out(self, rows: Matrix) -> None:
        if self._edges is not None and self._edges == edges(rows):
            raise DataError(
                "X is the table of fit, of which a code explains more than of any other; give rows "
                "that fit did not see, for example of train_test_split"
            )

    def _codes_of(self, rows: Any) -> Matrix:
        found = self._map(
            rows, lambda network, x, seen: network.encode(x, seen), self.n_components_
        )
        return np.asarray(found, np.float64)

    def _seen(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Return what the network sees of rows, a column per level, and what of it was measured."""
        return shown(rows, self.encoding_, self.layout_)

    def _shown(self, code: Matrix) -> Matrix:
        """Return the mean of what the network would see of the rows that codes stand for."""
        sides = self._composition.sides(self.layout_)
        width = len(self.layout_.outputs(range(self.layout_.n_features)))

        def decoded(network: Network, y: Tensor, seen: Tensor | None) -> Tensor:
            raw = network.decode_raw(y)
            found = torch.empty_like(raw)
            for side in sides:
                found[:, list(side.outputs)] = side.shown(raw)
            return found

        return self._map(code, decoded, width, encode=False)

    def _linear(self, train: Any, rows: Matrix, seen: Matrix, measured: Matrix) -> _Linear:
        if train is None:
            return _Linear(None, seen, measured)
        known = np.asarray(self._compact(self._rows(train)), np.float64)
        both = len(np.unique(np.vstack([known, rows]), axis=0))
        if both <= len(np.unique(known, axis=0)):
            raise DataError("all rows of X are rows of train; give rows that fit did not see")
        learned, there = self._seen(known)
        empty = np.isnan(known).all(0) & ~np.isnan(rows).all(0) & ~np.asarray(self.encoding_.unseen)
        if empty.any():
            called = self._names or range(self.n_features_in_)
            listed = ", ".join(repr(called[i]) for i in np.flatnonzero(empty)[:5])
            raise DataError(
                f"train has no measured cell in {int(empty.sum())} columns that fit had, {listed}"
                f"{', ...' * (int(empty.sum()) > 5)}; give the rows of fit"
            )
        means = _mean(learned, there)
        size = min(self.n_components_, *learned.shape)
        pca = PCA(size, random_state=0).fit(np.where(there, learned, means))
        return _Linear(pca, np.where(measured, seen, means), measured)

    def _importance(self, X: Any, component: int | str | None, method: str) -> Matrix:
        """Return the importance of each column, shape (n_features,)."""
        objective = self._objective

        def values(network: Network, seen: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
            measured = None if observed is None else network.seen(x, observed)[1]
            posterior = network.posterior_of(seen, measured, observed)
            if component != "score":
                return posterior.mean
            code = posterior.mean
            raw = network.decode_raw(code, observed)
            forward = ForwardPass(network, x, x, posterior, code, raw, observed)
            return objective.per_sample(forward)[:, None]

        def attributed(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            seen = network.seen(x, observed)[0].detach()
            wanted = [component] if isinstance(component, int) else None
            with torch.enable_grad():
                if method == "gradient":
                    found = _gradients(lambda s: values(network, s, x, observed), seen, wanted)
                else:
                    found = _integrated(
                        lambda s, *rest: values(network, s, *rest), seen, x, observed, wanted
                    )
            return self._by_column(found.detach())

        found = self._map(self._rows(X), attributed, self.n_features_in_, derivatives=True)
        mean: Matrix = np.asarray(found, np.float64).mean(0)
        return mean

    def _by_column(self, of_seen: Tensor) -> Tensor:
        """Return the sum over what the network sees of each column."""
        if self.layout_.schema is None and not self.layout_.told:
            return of_seen
        index = torch.tensor(self.layout_.owners, device=of_seen.device)
        shape = (len(of_seen), self.layout_.n_features)
        return torch.zeros(shape, dtype=of_seen.dtype, device=of_seen.device).index_add(
            1, index, of_seen
        )


class _Linear:
    """A PCA of the rows of fit, and what it explains of other rows; NaN where there is none."""

    def __init__(self, pca: PCA | None, rows: Matrix, measured: Matrix) -> None:
        self.pca, self.rows, self.measured = pca, rows, measured
        if pca is not None:
            self.code = pca.transform(rows)
            self.full = self._lost(self.code)

    def share(self, component: int | str, columns: list[int], total: float) -> float:
        if self.pca is None or not total:
            return float("nan")
        if component == "total":
            return float(1 - self.full[columns].sum() / total)
        if int(component) >= self.code.shape[1]:
            return 0.0
        code = self.code.copy()
        code[:, int(component)] = code[:, int(component)].mean()
        return float((self._lost(code) - self.full)[columns].sum() / total)

    def _lost(self, code: Matrix) -> Matrix:
        assert self.pca is not None
        error = (self.pca.inverse_transform(code) - self.rows) ** 2
        found: Matrix = np.where(self.measured, error, 0.0).sum(0)
        return found


def edges(rows: Any) -> tuple[int, bytes, bytes]:
    """Return what tells one table from another at a glance: its length, its first and last row."""
    first, last = (rows[i : i + 1] for i in (0, rows.shape[0] - 1))
    dense = [row.toarray() if hasattr(row, "toarray") else row for row in (first, last)]
    ends = [np.asarray(row, np.float64).tobytes() for row in dense]
    return rows.shape[0], ends[0], ends[1]


def _mean(seen: Matrix, measured: Matrix) -> Matrix:
    count = np.maximum(measured.sum(0), 1)
    found: Matrix = np.where(measured, seen, 0.0).sum(0) / count
    return found


def _gradients(function: Any, seen: Tensor, wanted: list[int] | None) -> Tensor:
    """Return abs of derivatives, summed over the outputs that are wanted."""
    at = seen.clone().requires_grad_()
    value = function(at)
    total = torch.zeros_like(seen)
    outputs = range(value.shape[1]) if wanted is None else wanted
    for output in outputs:
        keep = output != outputs[-1]
        (slope,) = torch.autograd.grad(value[:, output].sum(), at, retain_graph=keep)
        total += slope.abs()
    return total


def _integrated(
    function: Any, seen: Tensor, x: Tensor, observed: Tensor | None, wanted: list[int] | None
) -> Tensor:
    """Return abs of integrated gradients from a row of means, summed over the outputs."""
    try:
        attribution = importlib.import_module("captum.attr")
    except ImportError as error:
        raise MissingDependencyError(
            "method='integrated_gradients' needs captum, which is not installed; "
            "pip install 'narrows[explain]', or choose method='gradient'"
        ) from error
    rest = (x, torch.ones_like(x, dtype=torch.bool) if observed is None else observed)
    found = attribution.IntegratedGradients(function, multiply_by_inputs=True)
    total = torch.zeros_like(seen)
    with torch.no_grad():
        width = function(seen[:1], rest[0][:1], rest[1][:1]).shape[1]
    for output in range(width) if wanted is None else wanted:
        total += found.attribute(
            seen, target=output, additional_forward_args=rest, n_steps=32
        ).abs()
    return total
