"""The estimator that composes architecture, latent, loss, penalty and the rest."""

from __future__ import annotations

import copy
import functools
import json
import numbers
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if

import narrows
from narrows.core import memory
from narrows.core.fit_settings import copied_settings
from narrows.core.group import Group, current
from narrows.core.randomness import Randomness, seed
from narrows.core.types import Json, Matrix, Part, RandomState, TableLike, TargetLike
from narrows.corruptions import Corruption
from narrows.data import containers, reading, type_inference
from narrows.data.column_statistics import Moments, Rows
from narrows.data.layout import Layout
from narrows.data.reading import called, names_of, read_training_table
from narrows.data.scaling import Scaling
from narrows.data.sources.source import Beside, Source
from narrows.data.sources.taken import Taken
from narrows.data.table import DenseTable, SparseTable, Table, make_table
from narrows.data.views import View
from narrows.errors import (
    DataError,
    MissingWarning,
    OvercompleteWarning,
    ParameterError,
    stacklevel,
)
from narrows.estimators import decisions, length_search, validation
from narrows.estimators.methods import FittedMethods
from narrows.inference import scoring
from narrows.inference.calibration import calibrated
from narrows.inference.fitted_model import FittedModel, weights_digest
from narrows.losses.columnwise import ColumnGroup
from narrows.losses.loss import Loss
from narrows.network.composition import Composition
from narrows.network.network import Network
from narrows.observers.observer import FitWatcher, Observed, watched
from narrows.persistence import autoencoder_state
from narrows.persistence.model import State, Storable
from narrows.training import code_length, progress
from narrows.training.checkpoint import Checkpoint, Session
from narrows.training.optimizers.optimizer import OptimizerState
from narrows.training.phase import Trainable
from narrows.training.plan import (
    left_open,
    refuse_all_rows,
    refuse_parts,
    resolve_composition,
    resolve_init,
)
from narrows.training.run import TrainingRun, prepare
from narrows.training.run_state import fingerprint_of
from narrows.training.runtime import resolve
from narrows.training.shared_session import AnySession, SharedSession, agree

__all__ = ["Autoencoder"]


# Settings that decide how a table is read; training that goes on reads it as it was read before.
OF_TABLE = ("views", "types", "covariates", "scaling", "add_indicator")


def _takes_parts(model: Autoencoder) -> bool:
    """Return whether it can be given its rows in parts; why not is in the error."""
    refuse_parts(model.penalty)
    return True


class Autoencoder(
    FittedMethods,
    Storable,
    Observed,  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Autoencoder: fuses the columns of a table into a short code, and gives them back.

    A method is a composition: choose a part on each axis, by name or as a spec with settings.

    Parameters
    ----------
    n_components : int, float or "auto", default=2
        Length of the code. A float between 0 and 1 is the share of the variance of rows held out
        that the code should keep: the shortest one that does is taken. "auto" takes the shortest
        that says as much of hidden cells, within one standard error, as one with all components
        that parallel analysis tells from chance. Both fit codes of several lengths to at most 4,000
        rows first; see ``lengths_``.
    architecture : Architecture, str or tuple of int, default="dense"
        The layers. A tuple of widths is a `Dense` stack.
    latent : Latent or str, default="point"
        Whether the code of a sample is a point or a distribution.
    views : mapping of str to View or columns, optional
        Sources that lie side by side in the table: names or numbers of columns, slices, masks,
        selectors, or a `View` with settings of its own. `join_views` makes table and mapping.
    fusion : Fusion or str, default="intermediate"
        Where several views meet.
    balance : {"root", "views", "columns"}, default="root"
        What a view of d columns counts in the loss: sqrt(d), 1 or d. `View` has a weight on top.
    types : mapping of column to ColumnType or str, optional
        What columns are, by name or number, where their dtypes do not say it: "numeric", "binary",
        "categorical", "ordinal", "count", "proportion", "angle". Those of a data frame say so for
        text, categories and booleans; whole numbers are numbers.
    covariates : sequence of columns, optional
        Names or numbers of columns that the decoder is given beside the code: a batch, a site, an
        age. What they account for need not be in the code; `Independence` sees to it that it is
        not. A cell that is not measured is given as the mean.
    add_indicator : bool, default=False
        Whether the encoder also sees, for each column with missing cells in fit, where they are. It
        sees their mean anyway; that they are missing helps where this itself says something.
    scaling : {"auto", "standard", "minmax", "robust", "none"} or None, default="auto"
        How numbers are scaled before the network, and back after it. "auto" gives each column its
        mean and standard deviation, but one scale to columns that share a unit: those of one
        channel of an image or sequence whose shape the architecture was given, and those of a table
        or view where at least nine tenths have one bound in common and half the other, as pixels,
        percentages and answers from 1 to 5 have. Where 95 % of the rows have one value, the scale
        is bounded so that no cell seen is more than 10 from the mean. ``columns_`` says which.
    loss : Loss or str, default="squared_error"
        Distance of x and its reconstruction, for numbers; other types have a likelihood.
    penalty : Penalty, str or None, default=None
        Further terms of the objective; add several with ``+``.
    corruption : Corruption, str or None, default="auto"
        What the encoder sees instead of x while training. "auto" is nothing for one table, and
        ``ViewDropout(0.05) + GaussianNoise(0.2)`` for several views. Of a table with holes it also
        tries to hide as large a share of further cells (`Masking`), and keeps that if rows held out
        are then reconstructed better; not where there are more columns than rows.
    schedule : Schedule or str, default="joint"
        In which phases the layers are trained.
    optimizer : Optimizer, str or class, default="auto"
        How the weights move. "auto" is `AdamW`.
    learning_rate : float, LearningRate, str, default="auto"
        A number stays constant; ``"auto"`` is `OneCycle` up to the optimiser's own rate, or
        constant for optimisers with a line search. Where it is "auto", training begins at a PCA
        (see ``init``) and nothing is corrupted, the pace is another: some 1,500 steps of up to 64
        rows, or fewer of more rows where there are many, in 10 to 60 epochs, at a peak of 1.5 times
        the optimiser's own rate, times sqrt(rows / columns) if that is below 1. If max_epochs is
        "auto", too, rows are held out first: training is tried on the others, at this peak and at
        lower ones, and what is kept is the place between the PCA and where training ends that has
        the lowest objective on the rows held out; see ``trials_``. Of fewer than 500 rows several
        parts are held out in turn, and the chosen training is then repeated on all rows; from 4,000
        rows on a tenth is held out, 2,000 at most, and what was trained on the others is kept.
    batch_size : int or "auto", default="auto"
        Rows per step. "auto" gives some 16 to 32 steps per epoch, of 16 to 256 rows; half as many
        of recurrent layers.
    max_epochs : int or "auto", default="auto"
        Passes over the rows. "auto" gives some 4,000 steps, in 10 to 200 epochs; fewer steps with
        optimizer="auto" from a PCA, and some 250 of up to 128 rows with recurrent layers. With
        some 2,000 rows or more, a fit that begins at a PCA goes on until rows that are held out no
        longer gain 1 % by twice as many steps, for eight times as many or 10 epochs at most.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their objective no longer falls, and restore the best
        weights.
    validation_fraction : float, default=0.1
        Share of the rows held out for that.
    n_iter_no_change : int, default=10
        Epochs without a new best before stopping.
    max_grad_norm : float, optional
        Gradients longer than this are shortened to it.
    precision : {"auto", "float32", "float64", "bfloat16"}, default="auto"
        Of training. "auto" is float32; on a processor with bfloat16 units the large products of
        dense and recurrent layers are rounded to bfloat16, the weights are not. Results are
        computed in the dtype of the data asked about.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU if there is one.
    init : {"auto", "pca", "random"}, default="auto"
        Where training begins. "pca" writes the PCA of the scaled rows into the drawn weights, two
        relu units of each hidden layer for one component, so that the network begins with its
        error: exactly on tables of up to 128 rows or columns, else by a randomised method and, in
        very long tables, from some of the rows. A sigmoid output begins there to first order.
        Columns of other types begin with what the PCA expects of them, to first order. Beside
        covariates it is the PCA of what a regression on them leaves. "auto" does so wherever it
        can: dense relu layers at least twice as wide as a linear code, trained jointly, also for
        views that meet in one code.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, held-out rows, order and noise. The global generators of numpy and
        torch are never touched.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar on stderr (a line per epoch where that is no terminal),
        2 shows both.

    Attributes
    ----------
    network_ : Network
        The fitted encoder and decoder, a `torch.nn.Module`.
    scaling_ : Scaling
        The fitted scaling.
    history_ : list of dict
        One row per epoch: phase, epoch, objective and the named parts that add up to it,
        loss_per_feature, the same with ``valid_`` in front, learning_rate, seconds.
    n_iter_ : int
        Epochs that were run.
    stop_reason_ : str
        "max_epochs", "early_stopping", "converged" where more steps would gain next to nothing,
        "interrupted" or "diverged"; "stopped" where an observer asked for it; "start" where nothing
        that was tried did better on held-out rows than the PCA that training begins at.
    trials_ : list of dict
        What was compared on held-out rows before all were used: peak learning_rate, distance (0 is
        the PCA, 1 where training ends), held_out_objective, and which was chosen. Empty where
        settings of one's own leave nothing to choose.
    init_ : str
        Where training began: "pca" or "random".
    optimizer_ : Optimizer
        How the weights moved.
    n_components_ : int
        Length of the code.
    lengths_ : list of dict
        Where ``n_components`` is no int, what was tried: n_components, explained (the share of the
        variance of rows held out that was kept), hidden_error (mean squared error of a fifth of
        their cells that were hidden, scaled), start (whether it is the length of a PCA, or of
        parallel analysis, that the search began at) and chosen. Empty otherwise.
    n_parameters_ : int
        Numbers in the network, a tied weight counted once.
    layout_ : Layout
        How wide the table is, which columns each view has, and what each column is.
    columns_ : list of dict
        One row per column: name, view, type, its levels, by which rule it was scaled, the share of
        cells that was missing.
    score_percentiles_ : ndarray of shape (101,) or None
        Percentiles 0 to 100 of `score_samples`, of rows that training held out where it held some
        out, of up to 4,096 rows of fit otherwise. None after `partial_fit`, and of older files.
    n_features_in_ : int
        Columns seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where they have names.

    References
    ----------
    Charte et al., "A practical tutorial on autoencoders for nonlinear feature fusion",
    Information Fusion 44 (2018).

    Examples
    --------
    >>> from narrows import Autoencoder
    >>> from sklearn.datasets import load_breast_cancer
    >>> X = load_breast_cancer().data
    >>> model = Autoencoder(n_components=2, max_epochs=10, random_state=0).fit(X)
    >>> model.transform(X).shape, model.reconstruct(X).shape
    ((569, 2), (569, 30))
    """

    def __init__(
        self,
        n_components: int | float | str = 2,
        *,
        architecture: Part = "dense",
        latent: Part = "point",
        views: Part = None,
        fusion: Part = "intermediate",
        balance: str = "root",
        types: Part = None,
        covariates: Any = None,
        add_indicator: bool = False,
        scaling: str | None = "auto",
        loss: Part = "squared_error",
        penalty: Part = None,
        corruption: Part = "auto",
        schedule: Part = "joint",
        optimizer: Part = "auto",
        learning_rate: Part = "auto",
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_grad_norm: float | None = None,
        precision: str = "auto",
        device: str = "auto",
        init: str = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.architecture = architecture
        self.latent = latent
        self.views = views
        self.fusion = fusion
        self.balance = balance
        self.types = types
        self.covariates = covariates
        self.add_indicator = add_indicator
        self.scaling = scaling
        self.loss = loss
        self.penalty = penalty
        self.corruption = corruption
        self.schedule = schedule
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_grad_norm = max_grad_norm
        self.precision = precision
        self.device = device
        self.init = init
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: TableLike,
        y: TargetLike = None,
        sample_weight: TargetLike = None,
        *,
        checkpoint: Checkpoint | None = None,
        validation_data: TableLike | tuple[Any, ...] = None,
    ) -> Self:
        """Learn to encode and to reconstruct the rows of X.

        Parameters
        ----------
        X : array, CSR array, data frame or Source of shape (n_samples, n_features)
            numpy of any numeric dtype, scipy.sparse, pandas, polars, pyarrow; or what
            `narrows.open_source` opens, whose rows need not fit in memory. Images and volumes as
            they are, of shape (n_samples, height, width), with channels before or after, and
            sequences of shape (n_samples, n_steps, n_channels) or in a list: `Convolutional` and
            `Recurrent` take their shape, and it is given back.
        y : array of int of shape (n_samples,), optional
            Classes from 0, or -1 where the class is not known, for a penalty that looks at them;
            otherwise ignored.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.
        checkpoint : Checkpoint, optional
            Where the state of training is kept meanwhile. A fit that was cut off, or stopped by
            Ctrl-C or SIGTERM, goes on with the same call, and gives the same bits as one that was
            not. In a pipeline: ``pipeline.fit(X, autoencoder__checkpoint=checkpoint)``.
        validation_data : table, Source or tuple, optional
            Rows that are never trained on: X, (X, y) or (X, y, sample_weight), with the columns of
            fit. After each epoch ``history_`` has what they say, with ``valid_`` in front, and they
            stand in for the rows of X that fit would hold out: those of early stopping, and those
            that say how far to leave the PCA (not those that choose ``n_components``). Of a source,
            up to 65,536 rows evenly spread over it.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a setting cannot be, or two parts do not go together.
        DataError
            If X cannot be used as it is.
        DivergenceError
            If the objective was never finite.
        CheckpointError
            If the folder is used by another process, or belongs to a fit that differs.
        """
        others = validation.taken(validation_data)
        if checkpoint is None:
            return self._learn(X, y, sample_weight, others=others)
        if not isinstance(checkpoint, Checkpoint):
            raise ParameterError(
                f"checkpoint={checkpoint!r} is no Checkpoint; write "
                f"checkpoint=narrows.Checkpoint({checkpoint!r})"
            )
        group = current()
        session = Session(checkpoint) if group.is_alone else SharedSession(checkpoint, group)
        try:
            return self._learn(X, y, sample_weight, session, others=others)
        finally:
            session.close()

    def _learn(
        self,
        X: TableLike | Taken,
        y: TargetLike = None,
        sample_weight: TargetLike = None,
        session: AnySession | None = None,
        *,
        others: Taken | None = None,
    ) -> Self:
        """Fit, to what was made of a source by whoever has looked at it already, too.

        ``others`` are the rows for validation.
        """

        def fit(watcher: FitWatcher | None) -> None:
            self._learn_watched(watcher, X, y, sample_weight, session, others)

        with memory.kept():
            if isinstance(X, Taken):
                watched(self, X.X, X.y, fit)
            else:
                watched(self, X, y, fit)
        return self

    def _learn_watched(
        self,
        watcher: FitWatcher | None,
        X: TableLike | Taken,
        y: TargetLike,
        sample_weight: TargetLike,
        session: AnySession | None,
        others: Taken | None,
    ) -> None:
        warm = bool(self.warm_start) and hasattr(self, "_fitted")
        job = self._prepare(
            X,
            y,
            sample_weight,
            fresh=not warm,
            session=session,
            others=others,
            watcher=watcher,
        )
        if watcher is not None:
            watcher.attributes = functools.partial(self._attributes, job)
        if session is not None:
            session.belong_to(job.identity)
        elif not current().is_alone:
            agree(current(), job.identity)
        outcome = job.run.fit(hold_out=job.needs_trials and not warm)
        stack = calibrated(
            job.model, job.run.table.sample, outcome.trials, job.run.trainer.randomness.split
        )
        self.init_: str = self.init_ if warm else outcome.init
        self.trials_: list[Json] = outcome.comparison
        usual = scoring.usual_scores(job.model, job.run.table.sample, outcome)
        job = replace(job, model=replace(job.model, stack=stack, score_percentiles=usual))
        self._finish(job, outcome.history, outcome.stop_reason)

    @available_if(_takes_parts)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: TableLike, y: TargetLike = None, sample_weight: TargetLike = None
    ) -> Self:
        """Train for one pass over the rows of X, going on from what was learned before.

        The scaling is learned from the first call's rows and then stays, so give that call rows
        that stand for the rest. The learning rate is constant, and the optimiser keeps its memory
        from call to call.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            The next rows.
        y : array of int of shape (n_samples,), optional
            Classes, as in `fit`.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.

        Returns
        -------
        self

        Raises
        ------
        AttributeError
            If a penalty must see all rows before training.
        ParameterError
            If a setting cannot be, or two parts do not go together.
        DataError
            If X cannot be used as it is.
        """
        fresh = not hasattr(self, "_fitted")
        job = self._prepare(X, y, sample_weight, fresh=fresh, whole=False)
        before = getattr(self, "_stepper", None)
        with memory.kept():
            row, stepper = job.run.one_pass(before)
        history = [row] if fresh else [*self.history_, row]
        self.init_ = "random" if fresh else self.init_
        self.trials_ = []
        self._finish(job, history, "partial", stepper, job.run.trainer.randomness)
        return self

    def transform(self, X: TableLike) -> Matrix:
        """Return the codes of rows.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            In the dtype of X, or the data frame that ``set_output`` asked for.
        """
        return self._model.encode(self._model.read(X))

    def inverse_transform(self, X: TableLike, *, covariates: TableLike = None) -> TableLike:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_components)
            Codes, as `transform` gives them.
        covariates : table of shape (n_samples, n_features) or (1, n_features), optional
            Rows whose covariates the decoder is given; by default it is given their means.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            In the units of the table; a frame of the library of X if that is one, with the labels
            of fit. Of an array, a frame if fit's frame had columns that are not plain numbers.

        Raises
        ------
        DataError
            If there are not n_components columns.
        """
        model = self._model
        code = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        if code.shape[1] != model.n_components:
            raise DataError(
                f"X has {code.shape[1]} columns but a code has {model.n_components}; "
                "give what transform returned"
            )
        beside = None if covariates is None else model.covariates_for(covariates, len(code))
        frame, rows = model.frame_for(X), model.decode(code, beside)
        return model.as_table(rows) if frame is None else model.as_frame(rows, frame, X)

    def reconstruct(self, X: TableLike, *, covariates: TableLike = None) -> TableLike:
        """Return what rows look like after the narrow channel: encoded, then decoded.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.
        covariates : table of shape (n_samples, n_features) or (1, n_features), optional
            Rows whose covariates the decoder is given instead of X's own: with
            ``X.assign(batch="A")`` rows come back as they would look in batch A.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            In the units of the table; NaN where X has NaN. A frame, with its labels, if X is one.
        """
        model = self._model
        rows = model.read(X)
        if covariates is None:
            decoded = model.reconstruct(rows)
        else:
            beside = model.covariates_for(covariates, rows.shape[0])
            decoded = model.decode(model.encode(rows), beside)
        if isinstance(rows, np.ndarray):
            decoded[np.isnan(rows)] = np.nan
        return model.as_table(decoded, X)

    def score_samples(self, X: TableLike, *, details: bool = False) -> Any:
        """Return how well each row is reconstructed: minus its loss, summed over scaled features.

        Higher is more like the training rows; an anomaly scores low. Only measured cells count, so
        the scores of rows with different holes are sums over different cells; a row without any
        measured cell has none: NaN, with a warning.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.
        details : bool, default=False
            Whether to say, too, where each row's score comes from.

        Returns
        -------
        ndarray of shape (n_samples,)
            With ``details``, a `sklearn.utils.Bunch` of it as ``scores``, of what each view adds to
            it, ``views``, and of what each column does, ``columns`` of shape (n_samples,
            n_features); 0 where a cell was not measured.
        """
        return scoring.score_samples(self._model, X, details=details)

    def score(self, X: TableLike, y: TargetLike = None, sample_weight: TargetLike = None) -> float:
        """Return the mean of `score_samples`; higher is better, as model selection expects.

        Rows without any measured cell have no score and are left out.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.
        y : ignored
            Present for pipelines.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.

        Returns
        -------
        float
            NaN if no row has a score.
        """
        return scoring.mean_score(self._model, X, sample_weight)

    def _settings_to_save(self) -> Json:
        """Return the settings; views and types have the numbers of their columns."""
        settings = dict(self._fit_settings)
        if settings["types"] is not None:
            n_features, names = self._fitted.n_features, self._fitted.names
            types = type_inference.given(settings["types"], (), n_features, names)
            columns = names or range(n_features)
            settings["types"] = {str(columns[number]): kind for number, kind in types.items()}
        if settings["covariates"] is not None:
            own, names = self._fitted.layout.covariates, self._fitted.names
            settings["covariates"] = [i if names is None else str(names[i]) for i in own]
        if self._fitted.layout.views:  # given, or read from labels of several levels
            settings["views"] = {
                placed.name: View(
                    placed.columns,
                    placed.view.architecture,
                    placed.view.loss,
                    placed.view.weight,
                    placed.view.types,
                )
                for placed in self._fitted.layout.views
            }
        return settings

    def _state(self) -> State:
        fitted, tensors = autoencoder_state.describe(self)
        return State(fitted, tensors, {})

    def _restore(self, state: State) -> None:
        autoencoder_state.restore(self, state.fitted, state.tensors)

    def _prepare(
        self,
        X: TableLike | Taken,
        y: TargetLike = None,
        sample_weight: TargetLike = None,
        *,
        fresh: bool,
        whole: bool = True,
        session: AnySession | None = None,
        others: Taken | None = None,
        watcher: FitWatcher | None = None,
    ) -> _Fit:
        """Resolve settings and data into everything that training needs.

        ``whole`` says that these are all the rows, not the first of many; a session knows the seed
        that it was begun with; ``others`` are rows for validation.
        """
        group = current()
        taken = self._taken(X, y, sample_weight, session, group)
        X, y, sample_weight = taken.X, taken.y, taken.sample_weight
        if fresh:
            before, reader = None, reading.reader_for(self)
            views = taken.views if self.views is None else self.views
            rows, layout = read_training_table(
                reader, X, views=views, types=self.types, covariates=self.covariates
            )
        else:
            before, reader = self._fitted, self._fitted.reader
            rows, layout = before.read(X), before.layout
        names = names_of(reader)
        overwrite = layout.schema is not None or reading.is_copy(rows, X)
        settings = self._training_settings(fresh=fresh)
        if taken.is_sample:
            refuse_all_rows(settings)
        runtime = resolve(self.device, self.precision)
        length, lengths = self._length(taken, layout, before, session)
        composition = resolve_composition({**settings, "n_components": length}).for_rows(layout)
        # What does not go together is refused before the rows are looked at.
        network = self._network(composition, layout, runtime.dtype, before)
        target, taken = _classes(taken, rows) if composition.supervised else (None, taken)
        rows, weight, target = reading.apply_sample_weight(rows, sample_weight, target)
        if before is None:
            layout, scaling = self._measured(rows, weight, layout, composition, taken.moments)
            if layout.schema is not None or layout.indicators:
                # Which network it is depends on the rows.
                network = composition.network(layout, runtime.dtype)
        else:
            scaling = before.scaling
        objective = composition.objective(layout)
        # Before rows may be scaled in place.
        fingerprint = taken.fingerprint(rows, None if before is None else before.fingerprint)
        randomness = getattr(self, "_randomness", None)
        if fresh or randomness is None:
            randomness = Randomness.seeded(self._seed(session), runtime.device)
        n_rows = taken.n_rows(rows)
        init = resolve_init(settings, network, n_rows) if fresh and whole else "random"
        if fresh:
            _warn(composition, layout, scaling, names)
            network.initialize(randomness.initial)
        network = network.to(runtime.device, runtime.dtype)

        def drawn(n_columns: int) -> Network:
            other = composition.network(Layout(n_columns), runtime.dtype)
            other.initialize(randomness.initial)
            return other.to(runtime.device)

        at_hand = make_table(
            rows,
            scaling,
            runtime.dtype,
            runtime.device,
            sample_weight=weight,
            target=target,
            layout=layout,
            owned=overwrite,
        )
        model = FittedModel(network, composition, objective, scaling, layout, reader, fingerprint)
        at_hand = _with_validation(at_hand, model, others)
        table = taken.table(at_hand, scaling, layout, randomness.order, group)
        run = prepare(
            network,
            objective,
            settings,
            table,
            runtime=runtime,
            randomness=randomness,
            corruption=composition.corruption(layout),
            init=init,
            hides=_hiding(settings, composition, layout, scaling, n_rows),
            make=drawn if fresh and whole else None,
            session=session,
            group=group,
            watcher=watcher,
        )
        _check_domain(objective.loss, run.table, composition.column_groups(layout), names)
        return _Fit(settings, model, run, lengths)

    def _length(
        self,
        taken: Taken,
        layout: Layout,
        before: FittedModel | None,
        session: AnySession | None,
    ) -> tuple[int, list[Json] | None]:
        """Return the length of the code, and what was tried where that had to be chosen."""
        asked = code_length.check(self.n_components)
        if isinstance(asked, int):
            return asked, None if before is not None else []
        if before is not None:
            return before.n_components, None
        seed = self._seed(session)

        def chosen() -> bytes:
            return json.dumps(length_search.choose(self, layout, *taken[:3], seed)).encode()

        length, lengths = json.loads(current().of_first(chosen))
        return int(length), lengths

    def _taken(
        self,
        X: TableLike | Taken,
        y: TargetLike,
        sample_weight: TargetLike,
        session: AnySession | None,
        group: Group,
    ) -> Taken:
        """Return the rows in memory, of a source a sample, while it is shown how far that is."""
        if isinstance(X, Taken):
            return X
        folder = None if session is None else session.folder
        if not isinstance(X, Source):
            return Taken.of(X, y, sample_weight, folder, group)
        shown = progress.make(self.verbose if group.is_first else 0)
        shown.phase("survey", 1, X.n_rows // group.size)
        try:
            return Taken.of(X, y, sample_weight, folder, group, shown.batch)
        finally:
            shown.close()

    def _measured(
        self,
        rows: Rows,
        weight: Matrix | None,
        layout: Layout,
        composition: Composition,
        moments: Moments | None,
    ) -> tuple[Layout, Scaling]:
        """Return the layout with what the rows say of the columns, and their scaling."""
        layout = layout.measured(rows, weight)
        scaling = Scaling.fit(
            self.scaling,
            rows,
            weight,
            columns=layout.columns,
            units=composition.units(layout),
            moments=moments,
        )
        indicators = composition.indicators(layout, scaling.columns_with_missing)
        return replace(layout, indicators=indicators), scaling

    def _seed(self, session: AnySession | None) -> int:
        """Return the seed of a fit; one that nobody has chosen stays when the fit goes on."""
        draw = functools.partial(seed, self.random_state)
        if session is None or isinstance(self.random_state, numbers.Integral):
            return draw()
        return session.seed(draw)

    def _training_settings(self, *, fresh: bool) -> Json:
        """Return a copy of the settings; the table of a fitted model stays as it was read."""
        settings = copied_settings(self)
        if not fresh:
            settings |= {name: self._fit_settings[name] for name in OF_TABLE}
        return settings

    def _network(
        self,
        composition: Composition,
        layout: Layout,
        dtype: torch.dtype,
        before: FittedModel | None,
    ) -> Network:
        """Return a new network, or the fitted one if the settings still describe it."""
        if before is None:
            return composition.network(layout, dtype)
        with torch.device("meta"):
            described = composition.network(layout, dtype)
        if described.outline() != before.network.outline():
            raise ParameterError(
                f"n_components={self.n_components!r}, architecture={self.architecture!r} and "
                f"latent={self.latent!r} describe another network than the fitted one, which "
                "training was to go on from; set warm_start=False, or put the settings back"
            )
        return before.network

    def _finish(
        self,
        job: _Fit,
        history: list[Json],
        stop_reason: str,
        stepper: OptimizerState | None = None,
        randomness: Randomness | None = None,
    ) -> None:
        self._fit_settings = job.settings
        if job.lengths is not None:
            self.lengths_: list[Json] = job.lengths
        self._adopt(job.model)
        self.optimizer_ = job.run.trainer.settings.optimizer
        self.history_ = history
        self.n_iter_ = sum(row["epoch"] > 0 for row in history)
        self.stop_reason_ = stop_reason
        # Only partial_fit leaves them, for its next call.
        self._stepper = stepper
        self._randomness = randomness

    def _attributes(self, job: _Fit, network: Trainable) -> Json | None:
        """Return what this would be with a network in training; None of a part of one."""
        model, span = job.model, job.run.span
        if span is not None:
            finished = span.unfold(network, copy.deepcopy(model.network))
        elif isinstance(network, Network) and network.outline() == model.network.outline():
            finished = copy.deepcopy(network)
        else:
            return None
        other = copy.copy(self)
        other._fit_settings = job.settings
        other._adopt(replace(model, network=finished.train(mode=False)))
        return dict(vars(other))

    def _adopt(self, model: FittedModel) -> None:
        """Become the estimator of a fitted model."""
        self._fitted = model
        reading.copy_columns(model.reader, self)
        self.network_ = model.network
        self.scaling_ = model.scaling
        self.layout_ = model.layout
        self.n_components_ = model.n_components
        self.score_percentiles_ = model.score_percentiles
        self.n_parameters_ = sum(p.numel() for p in model.network.trained_parameters())

    @property
    def encoding_(self) -> Scaling:
        """The name that ``scaling_`` had; it goes with 0.3."""
        return self.scaling_

    @property
    def columns_(self) -> list[Json]:
        """What was decided about each column."""
        model = self._model
        return model.layout.described(model.names, model.scaling.missing, model.scaling.rules)

    def _repr_html_inner(self) -> str:
        """Return scikit-learn's diagram, and after fit what was decided, for notebooks."""
        diagram: str = super()._repr_html_inner()
        return diagram + decisions.as_table(self) if hasattr(self, "_fitted") else diagram

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@dataclass(frozen=True)
class _Fit:
    """Everything one call of `fit` needs."""

    settings: Json
    model: FittedModel  # its network not yet trained
    run: TrainingRun
    lengths: list[Json] | None  # None where the code is as long as before

    @property
    def identity(self) -> Json:
        """What the fit follows from, for checkpoints."""
        # An object's address says nothing of it, and is another in the next process.
        settings = {
            name: re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(value))
            for name, value in self.settings.items()
            if name != "verbose"
        }
        return {
            "setting": settings,
            "data": fingerprint_of(self.run.table),
            "start": weights_digest(self.model.network),
            "version": {"narrows": narrows.__version__, "torch": str(torch.__version__)},
            "device": self.model.device.type,
        }

    @property
    def needs_trials(self) -> bool:
        """Whether cells or views are missing, or will be, so that rows are to be held out."""
        several = len(self.model.layout.views) > 1
        table = self.run.table
        return not isinstance(table, SparseTable) and (several or table.has_holes)


def _hiding(
    settings: Json, composition: Composition, layout: Layout, scaling: Scaling, n_rows: int
) -> Corruption | None:
    """Return what may be tried on a table with holes: not on wide ones, where it harms."""
    if scaling.missing is None or n_rows <= layout.n_inputs:
        return None
    if not left_open(settings, "learning_rate", "max_epochs"):
        return None
    return composition.hiding(float(scaling.missing.mean()))


def _with_validation(
    table: DenseTable | SparseTable, model: FittedModel, others: Taken | None
) -> DenseTable | SparseTable:
    if others is None:
        return table
    classes = None
    if model.composition.supervised:
        with validation.named():
            classes, _ = _classes(others, model.read(others.X))
    return validation.added(table, model, others, classes)


def _classes(taken: Taken, rows: Rows) -> tuple[Matrix, Taken]:
    """Return the classes of the rows as int64, for a penalty that looks at them.

    Those that are read of a source are checked when they are.
    """
    y = taken.y
    if y is None:
        raise ParameterError(
            "y=None, but a penalty looks at classes; give y with a class from 0 for each row, -1 "
            "where it is not known"
        )
    containers.refuse_holes("y", y)
    classes: Matrix = column_or_1d(y)
    check_consistent_length(rows, classes)
    numbers, _ = _numbers(classes)
    assert numbers is not None
    return numbers, taken.with_target(_numbers, "classes")


def _numbers(classes: Matrix, weight: Matrix | None = None) -> Beside:
    """Return classes as int64, and the weights as they are."""
    if classes.dtype.kind not in "biuf":
        raise DataError(
            f"y holds {classes[0]!r}, but a penalty looks at classes that are whole numbers; "
            "number them from 0, -1 where it is not known"
        )
    numbers = classes.astype(np.int64)
    if not np.array_equal(classes, numbers) or (numbers < -1).any():
        raise DataError("y must hold whole numbers: classes from 0, -1 where it is not known")
    return Beside(numbers, weight)


def _check_domain(
    loss: Loss, table: Table, groups: Sequence[ColumnGroup], names: Sequence[str] | None
) -> None:
    low, high = torch.as_tensor(loss.low), torch.as_tensor(loss.high)
    if bool(low.isneginf().all() & high.isposinf().all()):
        return
    slack = 1e-6  # what scaling in float32 may add
    outside = (table.low < low.to(table.low) - slack) | (table.high > high.to(table.high) + slack)
    if outside.any():
        column = int(outside.nonzero()[0])
        low, high = (bound.expand(len(outside))[column] for bound in (low, high))
        loss = next(group.loss for group in groups if column in group.columns)
        raise DataError(
            f"loss={loss!r} needs values from {low:g} to {high:g} after scaling, but "
            f"{called([column], names)} goes from {float(table.low[column]):.4g} to "
            f"{float(table.high[column]):.4g}; set scaling='minmax'"
        )


def _warn(
    composition: Composition, layout: Layout, scaling: Scaling, names: Sequence[str] | None
) -> None:
    n_features = layout.n_value_inputs
    if composition.n_components >= n_features and not composition.regularized:
        warnings.warn(
            f"n_components={composition.n_components} is not below the {n_features} features, and "
            "nothing keeps the network from copying its input; choose fewer components, or add a "
            "penalty or a corruption",
            OvercompleteWarning,
            stacklevel=stacklevel(),
        )
    never = np.flatnonzero(scaling.empty_columns)
    if never.size:
        warnings.warn(
            f"no cell of {called(never, names)} was measured, so nothing can be learned there; "
            "leave it out",
            MissingWarning,
            stacklevel=stacklevel(),
        )
