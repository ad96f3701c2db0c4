"""Explanation: what of each view a code keeps, and which columns its components look at."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from narrows import codes
from narrows.core import checks
from narrows.core.forward_pass import ForwardPass
from narrows.data.fingerprint import Seen
from narrows.errors import DataError, MissingDependencyError, SeenRowsWarning, stacklevel
from narrows.inference.fitted_model import Fitted
from narrows.network.input_layer import shown
from narrows.network.network import Network

Matrix = NDArray[Any]
Rows = list[dict[str, Any]]
METHODS = ("gradient", "integrated_gradients")


class Explanation(Fitted):
    """What a fitted autoencoder says of its own code; inherited by `Autoencoder`."""

    def explained_variance(self, X: Any, *, train: Any = None) -> Rows:
        """Return the share of each view's variance that the code keeps, in all and by component.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit, best ones that it did not see: of those it did, a code
            explains more than of any other.
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
            If X has fewer than 2 rows, or none but rows of ``train``.

        Warns
        -----
        SeenRowsWarning
            If fit has seen rows of X. Models know that of their rows from a fingerprint, which they
            save, too.
        """
        rows = np.asarray(self._compact(self._rows(X)), np.float64)
        self._warn_of_seen(self._seen_in_fit(rows))
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
            `score_samples`, as a cell is encoded and as it is what the reconstruction is compared
            with; None for all components together.
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

    def _seen_in_fit(self, rows: Any) -> Seen:
        """Return how many of some rows, as `_rows` gives them, fit has seen."""
        if self._fingerprint is None:  # of a file of a version that wrote none
            return Seen.unknown(rows.shape[0])
        return self._fingerprint.seen(rows)

    def _warn_of_seen(self, seen: Seen) -> None:
        if seen.n_seen:
            warnings.warn(
                f"{seen} seen in fit, and of those a code explains more than of others; give rows "
                "that fit did not see, for example of train_test_split",
                SeenRowsWarning,
                stacklevel=stacklevel(),
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
        of_score = component == "score"
        wanted = [component] if isinstance(component, int) else None

        def value(network: Network, x: Tensor, seen: Tensor, observed: Tensor | None) -> Tensor:
            """Return what is explained; x is what the loss compares with, seen what is encoded."""
            measured = None if observed is None else network.seen(x, observed)[1]
            posterior = network.posterior_of(seen, measured, observed)
            if not of_score:
                return posterior.mean
            code = network.settled(posterior.mean)
            raw = network.decode_raw(code, observed)
            forward = ForwardPass(network, x, x, posterior, code, raw, observed)
            return objective.per_sample(forward)[:, None]

        def attributed(network: Network, x: Tensor, observed: Tensor | None) -> Tensor:
            asked = _Asked(network, value, x, observed, wanted)
            with torch.enable_grad():
                if method == "gradient":
                    found = asked.gradients(of_score=of_score)
                else:
                    found = asked.integrated(self._means(x), of_score=of_score)
            return self._by_column(found.detach())

        found = self._map(self._rows(X), attributed, self.n_features_in_, derivatives=True)
        mean: Matrix = np.asarray(found, np.float64).mean(0)
        return mean

    def _means(self, x: Tensor) -> Tensor:
        """Return the row of means of the rows of fit, in the units and on the device of x."""
        fill = self.encoding_.fill
        return torch.zeros_like(x[:1]) if fill is None else torch.from_numpy(fill).to(x)[None]

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


def _mean(seen: Matrix, measured: Matrix) -> Matrix:
    count = np.maximum(measured.sum(0), 1)
    found: Matrix = np.where(measured, seen, 0.0).sum(0) / count
    return found


class _Asked:
    """What is explained, and derivatives of it by what a network sees of each column."""

    def __init__(
        self,
        network: Network,
        value: Any,
        x: Tensor,
        observed: Tensor | None,
        wanted: list[int] | None,
    ) -> None:
        self.network, self.value, self.observed, self.wanted = network, value, observed, wanted
        self.x = x
        seen, self.measured = network.seen(x, observed)
        self.seen = seen.detach()

    def gradients(self, *, of_score: bool) -> Tensor:
        """Return abs of derivatives, summed over the outputs that are wanted.

        The loss of a row depends on a cell in two ways: it is encoded, and it is what the
        reconstruction is compared with. Both count.
        """
        x = self.x.clone().requires_grad_(of_score)
        seen = self.seen.clone().requires_grad_()
        value = self.value(self.network, x, seen, self.observed)
        outputs = range(value.shape[1]) if self.wanted is None else self.wanted
        total = torch.zeros_like(seen)
        for output in outputs:
            keep = output != outputs[-1]
            leaves = [seen, x] if of_score else [seen]
            slopes = torch.autograd.grad(
                value[:, output].sum(), leaves, retain_graph=keep, materialize_grads=True
            )
            total += self._both(*slopes).abs()
        return self._of_cells(total) if of_score else total

    def integrated(self, means: Tensor, *, of_score: bool) -> Tensor:
        """Return abs of integrated gradients from a row of means, summed over the outputs."""
        try:
            attribution = importlib.import_module("captum.attr")
        except ImportError as error:
            raise MissingDependencyError(
                "method='integrated_gradients' needs captum, which is not installed; "
                "pip install 'narrows[explain]', or choose method='gradient'"
            ) from error
        observed = self.observed
        rest = torch.ones_like(self.x, dtype=torch.bool) if observed is None else observed

        def function(seen: Tensor, x: Tensor, observed: Tensor) -> Tensor:
            value: Tensor = self.value(self.network, x, seen, observed)
            return value

        found = attribution.IntegratedGradients(function, multiply_by_inputs=True)
        start = self.network.seen(means)[0].detach().expand_as(self.seen)
        begin = torch.where(self._is_number(self.x), means, self.x)  # no level lies between levels
        total = torch.zeros_like(self.seen)
        with torch.no_grad():
            width = function(self.seen[:1], self.x[:1], rest[:1]).shape[1]
        for output in range(width) if self.wanted is None else self.wanted:
            if of_score:
                both = found.attribute(
                    (self.seen, self.x),
                    baselines=(start, begin),
                    target=output,
                    additional_forward_args=(rest,),
                    n_steps=32,
                )
            else:
                both = (
                    found.attribute(
                        self.seen,
                        baselines=start,
                        target=output,
                        additional_forward_args=(self.x, rest),
                        n_steps=32,
                    ),
                )
            total += self._both(*both).abs()
        return total

    def _both(self, of_seen: Tensor, of_x: Tensor | None = None) -> Tensor:
        """Return what is due to a cell as what is seen, and as what is compared with."""
        if of_x is None:
            return of_seen
        widened = self.network.widened
        if widened is None:
            return of_seen + of_x
        places, columns = widened.numbers
        return of_seen.index_add(1, places, of_x.index_select(1, columns))

    def _of_cells(self, found: Tensor) -> Tensor:
        """Return derivatives without those by what was not measured, and by that it was not."""
        if self.measured is None:
            return found
        widened = self.network.widened
        told = 0 if widened is None else len(widened.told)
        cells = self.measured.clone()
        cells[:, cells.shape[1] - told :] = False
        return found * cells

    def _is_number(self, x: Tensor) -> Tensor:
        found = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        widened = self.network.widened
        if widened is None:
            return ~found
        found[widened.numbers[1]] = True
        return found
