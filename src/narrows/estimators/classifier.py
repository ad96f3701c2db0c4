"""Classify with a softmax head on an autoencoder's code."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch.nn import functional as F

from narrows.core.group import current
from narrows.core.types import Estimator, Json, Matrix, Part, RandomState, TableLike, TargetLike
from narrows.data.sources.source import Source
from narrows.data.sources.taken import Taken, refuse_beside
from narrows.data.sources.target_source import TargetSource
from narrows.errors import DataError
from narrows.estimators import labels
from narrows.estimators.fine_tuning import FineTuned
from narrows.estimators.head import ClassificationObjective
from narrows.estimators.labels import ClassCounts, Classes
from narrows.observers.observer import FitWatcher
from narrows.persistence import stored
from narrows.persistence.model import State

__all__ = ["AutoencoderClassifier"]


class AutoencoderClassifier(ClassifierMixin, FineTuned):  # type: ignore[misc]
    """Classifier on an autoencoder's code: pre-trained, then trained end to end with a head.

    softmax(head(f(x))), f the encoder. The encoder is first trained to reconstruct all rows of X,
    then encoder and head are trained on the cross-entropy of the classes: the supervised
    fine-tuning of Hinton & Salakhutdinov (2006) and Vincent et al. (2010).

    Parameters
    ----------
    autoencoder : Autoencoder or FrozenEstimator, optional
        Whose encoder. It is never changed: an unfitted one is cloned and fitted, a fitted one in
        `sklearn.frozen.FrozenEstimator` is copied with what it has learned, for example from rows
        without classes. By default
        ``Autoencoder(16, corruption="masking")``.
    hidden : sequence of int, default=()
        Widths of relu layers between code and classes.
    pretrain : bool, default=True
        Whether the autoencoder is fitted to X first; otherwise it begins with drawn weights.
    reconstruction_weight : float, default=0.0
        Multiplies the reconstruction loss, which fine-tuning may keep in mind.
    class_weight : dict, "balanced" or None, default=None
        How much rows of each class count; a class of weight 0 is as good as absent.
    optimizer : Optimizer, str or class, default="auto"
        Of fine-tuning, as of `Autoencoder`; so are the next ones.
    learning_rate : float, LearningRate, str, default="auto"
        Of fine-tuning.
    batch_size : int or "auto", default="auto"
        Rows per step.
    max_epochs : int or "auto", default="auto"
        Passes over the rows.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their loss no longer falls, and restore the best.
    validation_fraction : float, default=0.1
        Share of the rows held out for that.
    n_iter_no_change : int, default=10
        Epochs without a new best before stopping.
    max_grad_norm : float, optional
        Gradients longer than this are shortened to it.
    random_state : int, RandomState or None, default=None
        Seed of everything, the autoencoder's too where that has none.
    verbose : int, default=0
        As of `Autoencoder`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    encoder_ : Autoencoder
        The autoencoder, its encoder fine-tuned.
    head_ : torch.nn.Module
        From the code to a number per class.
    history_ : list of dict
        One row per epoch of fine-tuning: the loss is the cross-entropy, mean over samples.
    n_iter_ : int
        Epochs of fine-tuning.
    stop_reason_ : str
        As of `Autoencoder`.
    n_parameters_ : int
        Numbers in encoder and head.

    References
    ----------
    Vincent et al., "Stacked denoising autoencoders", JMLR 11 (2010).

    Examples
    --------
    >>> from narrows import AutoencoderClassifier, recipes
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> stack = recipes.stacked(16, hidden=(32,), corruption="masking", max_epochs=2)
    >>> model = AutoencoderClassifier(stack, max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> bool(model.score(X[1000:], y[1000:]) > 0.7)
    True
    """

    _task = ClassificationObjective
    _predicts = ("predict", "predict_proba")

    def __init__(
        self,
        autoencoder: Estimator = None,
        *,
        hidden: Any = (),
        pretrain: bool = True,
        reconstruction_weight: float = 0.0,
        class_weight: Any = None,
        optimizer: Part = "auto",
        learning_rate: Part = "auto",
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_grad_norm: float | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            autoencoder,
            hidden=hidden,
            pretrain=pretrain,
            reconstruction_weight=reconstruction_weight,
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_epochs=max_epochs,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            max_grad_norm=max_grad_norm,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(
        self,
        X: TableLike,
        y: TargetLike = None,
        sample_weight: TargetLike = None,
        *,
        validation_data: TableLike | tuple[Any, ...] = None,
    ) -> Self:
        """Learn to tell the classes of rows.

        Parameters
        ----------
        X : array, CSR array, data frame or Source of shape (n_samples, n_features)
            As of `Autoencoder`. A source has classes and weights of its own:
            ``open_source(..., target=..., weight=...)``.
        y : array of shape (n_samples,)
            Class of each row, of any type.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.
        validation_data : tuple of (X, y) or (X, y, sample_weight), optional
            Rows that are never trained on, with what is true of them, or a source with a target.
            After each epoch ``history_`` has what they say, with ``valid_`` in front, and they
            stand in for the rows that early stopping would hold out; pre-training has them, too.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a setting cannot be, or two parts do not go together.
        DataError
            If X or y cannot be used as they are.
        """
        return self._fit_watched(Taken(X, y, sample_weight), validation_data)

    def _fit(self, rows: Taken, validation_data: Any, watcher: FitWatcher | None) -> None:
        X, y, sample_weight = rows[:3]
        if isinstance(X, Source):
            refuse_beside(X, y, sample_weight)
            classes = self._classes_among(ClassCounts.of_source(X))
            numbered = TargetSource(X, classes, repr(classes))
            taken = Taken.of(numbered, None, None, group=current())
            self._read(taken.X, reset=True)
        else:
            self._read(X, reset=True)
            labels_of_rows = self._target(y, X)
            weight = None
            if sample_weight is not None:
                weight = _check_sample_weight(
                    sample_weight, labels_of_rows, dtype=np.float64, ensure_non_negative=True
                )
            classes = self._classes_among(ClassCounts.of(labels_of_rows, weight))
            taken = Taken(X, *classes(labels_of_rows, weight))
        self.classes_ = classes.labels
        others = self._validation(validation_data, classes.known)
        self._train(taken, len(self.classes_), others, watcher)

    def _classes_among(self, counts: ClassCounts) -> Classes:
        """Return the classes to tell apart, and what each counts.

        A class whose rows all have weight 0 is as good as absent, as the rows are.
        """
        own = counts.labels
        factors: Matrix | None = None
        if self.class_weight is not None and len(own):
            factors = compute_class_weight(self.class_weight, classes=own, y=own)
            if isinstance(self.class_weight, str):  # each label is there once, not so often
                factors = factors * (counts.rows.sum() / (len(own) * counts.rows))
            own, factors = own[factors > 0], factors[factors > 0]
        if len(own) < 2:
            weighted = counts.weighted or factors is not None
            counted = " among the rows of a weight above 0" if weighted else ""
            alone = f"one class only{counted}, {own.tolist()[0]!r}" if len(own) else "no class"
            raise DataError(f"y has {alone}; a classifier needs rows of at least two classes")
        return Classes(own, factors)

    def predict(self, X: TableLike) -> Matrix:
        """Return the likeliest class of each row.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        logits = self._logits(X)  # before classes_ is asked for, which an unfitted one lacks
        classes: Matrix = self.classes_[logits.argmax(1)]
        return classes

    def predict_proba(self, X: TableLike) -> Matrix:
        """Return the probability of each class.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: TableLike) -> Matrix:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = torch.from_numpy(self._logits(X))
        logs: Matrix = F.log_softmax(logits, dim=1).numpy()
        return logs

    def _logits(self, X: TableLike) -> Matrix:
        check_is_fitted(self, "head_")
        return self._predicted(X, self._n_outputs)

    def _head_settings(self) -> tuple[Json, Json]:
        return {"classes": self._numbers().tolist()}, {"narrows.classes": self.classes_.tolist()}

    def _answers(self, scores: Matrix) -> dict[str, Matrix]:
        proba = F.softmax(torch.from_numpy(scores), dim=1).numpy()
        return {"predict": self._numbers()[scores.argmax(1)], "predict_proba": proba}

    def _numbers(self) -> NDArray[np.int64]:
        """Return the classes themselves if they are whole numbers, else their places."""
        if self.classes_.dtype.kind in "iu":
            return self.classes_.astype(np.int64)
        return np.arange(len(self.classes_))

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _state(self) -> State:
        state = super()._state()
        return state._replace(fitted={**state.fitted, "classes": labels.plain(self.classes_)})

    def _restore(self, state: State) -> None:
        with stored.described():
            self.classes_ = labels.restored(state.fitted["classes"])
            if len(self.classes_) != state.fitted["n_outputs"]:
                raise ValueError("there are not as many classes as outputs")
        super()._restore(state)
