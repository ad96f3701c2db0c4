"""The methods of a fitted autoencoder beyond codes; each is one call into `inference`."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from narrows.core.fit_settings import written_settings
from narrows.core.isolation import isolate_methods
from narrows.core.types import Json, Matrix, RandomState, TableLike, TargetLike
from narrows.data.sources.parts import Written
from narrows.data.sources.source import Source
from narrows.estimators.export_methods import ExportMethods
from narrows.inference import explanation, generation, imputation, transform_to
from narrows.inference.fitted_model import FittedModel
from narrows.inference.transform_to import Writer

if TYPE_CHECKING:
    from narrows.export.portable import Exportable

TITLE = "What the code keeps"


@isolate_methods
class FittedMethods(ExportMethods):
    """What a fitted autoencoder can do beyond codes; inherited by `Autoencoder`."""

    _fitted: FittedModel

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    @property
    def _model(self) -> FittedModel:
        """What fit left, whatever the settings are by now.

        Raises
        ------
        NotFittedError
            If there was no fit.
        """
        if "_fitted" not in vars(self):
            check_is_fitted(self)
        return self._fitted

    @property
    def _numbered(self) -> dict[str, int]:
        """The numbers of the components, by what `transform` calls them."""
        names = self.get_feature_names_out()  # type: ignore[attr-defined]
        return {str(name): number for number, name in enumerate(names)}

    def impute(
        self,
        X: TableLike,
        *,
        method: str = "stack",
        return_std: bool = False,
        n_draws: int = 20,
        random_state: RandomState = None,
    ) -> TableLike:
        """Return X with its holes filled; no other cell is touched.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit; NaN (None, pd.NA, null) is a hole.
        method : {"stack", "network", "linear"}, default="stack"
            Whose answer. "linear" is the conditional expectation under the normal distribution that
            fit keeps of what the network sees; "stack" weighs both as rows held out of the training
            rows say (Wolpert, "Stacked generalization", Neural Networks 5, 1992), and is the
            network's where fit kept none: of sparse tables, after `partial_fit`, in older files. Of
            scattered holes, the network's answer in it is that of the row's most probable code,
            where held-out rows said that this is nearer.
        return_std : bool, default=False
            Whether to return how far the filled cells may be off, too.
        n_draws : int, default=20
            How many draws of a variational code method="network" takes for that.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        filled : ndarray or data frame of shape (n_samples, n_features)
            As X is, with its dtypes; empty only where a column was never seen in fit. Measured
            cells are those of X, bit for bit; whole numbers are filled with whole numbers.
        std : ndarray or data frame of shape (n_samples, n_features)
            If asked for; 0 in cells that were measured. The conditional standard deviation, scaled
            so that 1.64 of it to both sides held 90 % of hidden cells of held-out rows. Of levels,
            the probability of all but the one that was filled in. Of method="network", the spread
            of the means that draws of the code are decoded to, without the noise of single cells.

        Raises
        ------
        ParameterError
            If there is no such method.
        CompositionError
            If a spread is asked of method="network" and a code that is no distribution, or
            method="linear" where fit kept no normal distribution.
        """
        return imputation.impute(
            self._model,
            X,
            method=method,
            return_std=return_std,
            n_draws=n_draws,
            random_state=random_state,
        )

    def transform_to(
        self,
        source: Source,
        folder: str | os.PathLike[str],
        *,
        what: str = "codes",
        to: str | None = None,
        n_jobs: int = 1,
        on_error: str = "raise",
    ) -> Written:
        """Write the codes of a source, whose rows need not fit in memory, as Parquet files.

        The rows keep their order, and the columns that the source calls ``ids`` go along. Each part
        is written whole or not at all; a run that was cut off is begun again with the same call,
        goes on after the last part that is whole, and leaves the same bytes. A file ``_SUCCESS``
        comes last; ``_manifest.jsonl`` has rows and SHA-256 of each part.

        Parameters
        ----------
        source : Source
            What `narrows.open_source` opens, with the columns of fit.
        folder : path
            Where the parts go: a new folder, or that of a run that was cut off.
        what : {"codes", "reconstruction", "imputed", "scores", "translated"}
            What is written: what `transform`, `reconstruct`, `impute`, `score_samples` or
            `translate` give.
        to : str, optional
            The view that is translated to; the source may lack its columns.
        n_jobs : int, default=1
            Processes that make parts side by side.
        on_error : {"raise", "skip"}
            Whether a piece that cannot be read, or rows with infinite cells, end the run, or are
            set aside and counted.

        Returns
        -------
        Written
            The ``folder``, ``n_parts``, ``n_rows``, and what was ``skipped``: place, rows and why.

        Raises
        ------
        SourceError
            If a piece cannot be used, with file, row group, row and column, or the folder holds
            something else.
        ParameterError
            If there is no such ``what`` or view.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> from narrows import Autoencoder, open_source
        >>> X = np.random.default_rng(0).normal(size=(300, 5)).astype("float32")
        >>> model = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
        >>> folder = tempfile.mkdtemp()
        >>> model.transform_to(open_source(X), folder).n_rows
        300
        """
        return transform_to.transform_to(
            self._writer, source, folder, what=what, to=to, n_jobs=n_jobs, on_error=on_error
        )

    @property
    def _writer(self) -> Writer:
        choices = ("codes", "reconstruction", "imputed", "scores", "translated")
        return Writer(self, self._model, choices, ("codes", "scores"))

    @property
    def _exportable(self) -> Exportable:
        from narrows.export.portable import DEFAULT, OUTPUTS, Exportable, Portable
        from narrows.export.reference import answers_of, rows_like_those_of_fit

        model = self._model
        return Exportable(
            model,
            written_settings(self),
            OUTPUTS,
            DEFAULT,
            functools.partial(Portable, model),
            functools.partial(answers_of, model),
            functools.partial(rows_like_those_of_fit, model),
        )

    def translate(
        self,
        X: TableLike,
        to: str,
        *,
        method: str = "stack",
        return_std: bool = False,
        n_draws: int = 20,
        random_state: RandomState = None,
    ) -> TableLike:
        """Return one view of rows as the other views tell it.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit. Those of the view may hold anything, as they are not
            looked at, or be left out.
        to : str
            The view.
        method : {"stack", "network", "linear"}, default="stack"
            Whose answer, as in `impute`; views that are missing as a whole have weights of their
            own.
        return_std : bool, default=False
            Whether to return how far the cells may be off, too, as in `impute`.
        n_draws : int, default=20
            How many draws of a variational code method="network" takes for that.
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
            If there is no such method, or the model has no such view, or no other one.
        CompositionError
            As of `impute`.
        """
        return imputation.translate(
            self._model,
            X,
            to,
            method=method,
            return_std=return_std,
            n_draws=n_draws,
            random_state=random_state,
        )

    def sample(
        self, n_samples: int = 1, *, target: TargetLike = None, random_state: RandomState = None
    ) -> TableLike:
        """Return new rows: codes drawn from the prior, decoded.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        target : int or array of int of shape (n_samples,), optional
            Class that each row is drawn from, for priors with classes.
        random_state : int, RandomState or None, default=None
            Seed of the draw.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            In the units of the table; a frame where fit was given one with columns that are no
            plain numbers.

        Raises
        ------
        CompositionError
            If the model has no prior, or the prior no classes.
        """
        return generation.sample(self._model, n_samples, target=target, random_state=random_state)

    def interpolate(self, start: TableLike, end: TableLike, n_steps: int = 8) -> Matrix:
        """Return what lies between rows: the straight line between their codes, decoded.

        Parameters
        ----------
        start, end : array or data frame of shape (n_samples, n_features)
            Where each line begins and ends.
        n_steps : int, default=8
            Rows on each line, both ends included.

        Returns
        -------
        ndarray of shape (n_samples, n_steps, n_features)
            In the units of the table.

        Raises
        ------
        DataError
            If there are not as many ends as starts.
        """
        return generation.interpolate(self._model, start, end, n_steps)

    def latent_grid(
        self, n_steps: int = 10, low: float = -2.0, high: float = 2.0
    ) -> tuple[Matrix, Matrix]:
        """Return a grid over the plane of a two-component code, and the rows it stands for.

        Parameters
        ----------
        n_steps : int, default=10
            Places along each side.
        low, high : float, default=-2.0 and 2.0
            Where each side begins and ends; the defaults suit a standard normal prior.

        Returns
        -------
        codes : ndarray of shape (n_steps * n_steps, 2)
            As a picture is read: from the left, from above.
        rows : ndarray or data frame of shape (n_steps * n_steps, n_features)
            In the units of the table, as `sample` gives them.

        Raises
        ------
        CompositionError
            If the code is no plane.
        """
        return generation.latent_grid(self._model, n_steps, low, high)

    def log_likelihood(
        self, X: TableLike, n_importance: int = 100, random_state: RandomState = None
    ) -> Matrix:
        """Return log p(x) of rows by importance sampling (Burda et al., 2016).

        log 1/K sum_k p(x | y_k) p(y_k) / q(y_k | x), y_k ~ q(y | x): a lower bound in expectation,
        which grows towards log p(x) with K.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.
        n_importance : int, default=100
            K.
        random_state : int, RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        ndarray of shape (n_samples,)
            Natural logarithms of the density in the units of the table. p(x | y) is what the loss
            is minus the logarithm of, up to a constant: normal with variance 1/2 (scaled) for
            `SquaredError`, Laplace for `AbsoluteError`; Bernoulli for `CrossEntropy`: a
            probability, exact where a column has two values. Levels and counts have probabilities,
            too, proportions the density of the continuous Bernoulli distribution.

        Raises
        ------
        CompositionError
            If the code is no distribution, there is no prior with a density, or the loss is no
            likelihood.
        """
        return generation.log_likelihood(self._model, X, n_importance, random_state)

    def sample_contractive(
        self, X: TableLike, n_steps: int = 1, scale: float = 1.0, random_state: RandomState = None
    ) -> TableLike:
        """Return rows moved along the manifold that the encoder has learned (Rifai et al., 2012).

        Each step is x <- g(f(x) + J J^T e), e ~ N(0, scale^2), J = d f(x) / d x: noise in the row,
        seen through the directions that the encoder is sensitive to. Meant for encoders that were
        trained with `Contraction`.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Where the walks begin.
        n_steps : int, default=1
            How many steps each walk takes.
        scale : float, default=1.0
            Standard deviation of the noise.
        random_state : int, RandomState or None, default=None
            Seed of the noise.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            Where the walks end, in the units of the table; a frame if X is one.

        Raises
        ------
        CompositionError
            If the code is binary, which no small step changes.
        """
        return generation.sample_contractive(self._model, X, n_steps, scale, random_state)

    def hash(self, X: TableLike) -> NDArray[np.uint8]:
        """Return the bits of rows, eight to a byte, for `hamming_search`.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        uint8 ndarray of shape (n_samples, ceil(n_components / 8))

        Raises
        ------
        CompositionError
            If the code is not binary.
        """
        return generation.hash_bits(self._model, X)

    def explained_variance(self, X: TableLike, *, train: TableLike = None) -> list[Json]:
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
        return explanation.explained_variance(self._model, X, train=train)

    def feature_importance(
        self,
        X: TableLike,
        component: int | str | None = None,
        *,
        method: str = "gradient",
        others: Sequence[Any] = (),
    ) -> list[Json]:
        """Return how much each column moves the code, or a row's score, most important first.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows to look at: a whole table, or one row to explain.
        component : int, str or None, default=None
            A component of the code, by number or as `transform` calls it; "score" for the loss of
            the row, which is minus its `score_samples`, as a cell is encoded and as it is what the
            reconstruction is compared with; None for all components together.
        method : {"gradient", "integrated_gradients"}, default="gradient"
            "gradient" is how far the component moves, to first order, as the column varies as it
            does in the rows of fit and nothing else does: the standard deviation that this makes,
            mean over the rows of X. Of a number that is abs(d component / d column) times its
            standard deviation; of a category, the standard deviation over its levels, each as
            frequent as in fit. "integrated_gradients" (Sundararajan et al., 2017) is the mean of
            abs of the part of the difference to a row of means that is due to the column; it needs
            captum.
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
        if isinstance(component, str):
            component = self._numbered.get(component, component)
        return explanation.feature_importance(
            self._model, X, component, method=method, others=[other._model for other in others]
        )

    def report(
        self,
        path: str | os.PathLike[str],
        X: TableLike,
        *,
        y: TargetLike = None,
        train: TableLike = None,
        ids: TargetLike = None,
        comparison: Any = None,
        input_shape: Sequence[int] | None = None,
        title: str = TITLE,
    ) -> None:
        """Write a report about the model and rows: an HTML file for people, JSON beside it.

        The file needs no network, opens in any browser and holds cells of the rows it shows: it is
        as confidential as they are.

        Parameters
        ----------
        path : path
            Of the page; it ends in .html, and its data go beside it in a file ending in .json.
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows to report on, best ones that fit did not see.
        y : array of shape (n_samples,), optional
            A class or a number for each row, to colour by.
        train : array, CSR array or data frame, optional
            The rows of fit, for a PCA beside the code and for what errors are usual.
        ids : array of shape (n_samples,), optional
            What the rows are called; by default their numbers, from 0.
        comparison : Comparison, mapping or path, optional
            How other methods do on the same data.
        input_shape : tuple of int, optional
            What a flat row holds: (height, width) or (channels, height, width) of an image,
            (n_steps,) or (n_steps, n_channels) of a sequence; two numbers are an image where both
            are at least 8. By default what the rows of fit were, or the architecture says.
        title : str, default="What the code keeps"
            The heading.

        Raises
        ------
        ParameterError
            If a shape does not fit the columns, the path does not end in .html, or the comparison
            is none.
        DataError
            If X cannot be used as it is, or y or ids have another length.
        SourceError
            If the file cannot be written.
        """
        from narrows.report import report  # jinja2 is for those who want a report

        report.write(
            self,
            self._model,
            path,
            X,
            y=y,
            train=train,
            ids=ids,
            comparison=comparison,
            input_shape=input_shape,
            title=title,
        )
