"""Tell observers and callbacks of scikit-learn how a fit goes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

from narrows.core.group import current
from narrows.core.types import Estimator, Json, TableLike, TargetLike
from narrows.training.history import Row
from narrows.training.phase import Phase, Trainable
from narrows.training.watcher import Watcher

try:  # scikit-learn has callbacks from 1.9 on
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # pragma: no cover
    CallbackSupportMixin, with_callbacks = None, None

__all__ = ["Observer"]

Fit = Callable[[Any], object]  # called with the watcher that training is to tell, or None


class Observer:
    """Told of a fit while it goes on, and may ask it to end; override what you need.

    Give it to ``set_callbacks`` of an `Autoencoder`, `AutoencoderClassifier` or
    `AutoencoderRegressor`, whatever the version of scikit-learn. From 1.9 on it is a callback of
    scikit-learn, too, and goes with clones. It is never saved with a model. Where several processes
    fit one model, the observers of the first are told.

    An exception that it raises ends the fit.

    Examples
    --------
    >>> from narrows import Autoencoder, Observer
    >>> from sklearn.datasets import load_iris
    >>> class GoodEnough(Observer):
    ...     def on_epoch_end(self, estimator, row):
    ...         return row["loss_per_feature"] < 0.2
    >>> model = Autoencoder(2, max_epochs=100, random_state=0).set_callbacks(GoodEnough())
    >>> model.fit(load_iris().data).stop_reason_
    'stopped'
    """

    def setup(self, estimator: Estimator, context: Any) -> None:
        """A fit begins.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : sklearn.callback.CallbackContext or None
            Where the fit stands among others; None before scikit-learn 1.9.
        """

    def on_phase_begin(self, estimator: Estimator, phase: str, n_epochs: int, n_rows: int) -> None:
        """A stretch of training begins.

        A fit may have several: layers trained one after the other, and trials on held-out rows
        before what is kept is trained.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        phase : str
            What ``history_`` calls it.
        n_epochs : int
            The most epochs it has.
        n_rows : int
            Rows in each of them.
        """

    def on_epoch_end(self, estimator: Estimator, row: Row) -> bool | None:
        """An epoch ended.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        row : dict
            What ``history_`` has of it.

        Returns
        -------
        bool or None
            True ends training; the model is as usable as after an interrupt, and ``stop_reason_``
            is "stopped".
        """
        return None

    def on_fit_end(self, estimator: Estimator) -> None:
        """A fit ended well.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        """

    def teardown(self, estimator: Estimator, context: Any) -> None:
        """A fit ended, well or not; after `setup`, this is always called.

        Parameters
        ----------
        estimator : estimator
            What was fitted.
        context : sklearn.callback.CallbackContext or None
            As in `setup`.
        """

    def on_fit_task_begin(self, estimator: Estimator, context: Any) -> None:
        """Do nothing: part of scikit-learn's protocol."""

    def on_fit_task_end(self, estimator: Estimator, context: Any) -> bool:
        """Do nothing: part of scikit-learn's protocol."""
        return False


class _Observed:
    """What scikit-learn's mixin does, for versions without callbacks: observers alone."""

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set observers, in place of those that were set before.

        Parameters
        ----------
        *callbacks : Observer
            Told of every fit from now on.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If one is no observer.
        """
        for callback in callbacks:
            if not isinstance(callback, Observer):
                raise TypeError(
                    f"{callback!r} is no narrows.Observer; callbacks of scikit-learn need "
                    "scikit-learn 1.9"
                )
        self._skl_callbacks = list(callbacks)
        return self

    def __sklearn_clone__(self) -> Any:
        from sklearn.base import _clone_parametrized

        other = _clone_parametrized(self)
        other._skl_callbacks = list(callbacks_of(self))
        return other


Observed: Any = _Observed if CallbackSupportMixin is None else CallbackSupportMixin


class FitWatcher(Watcher, Protocol):
    """A watcher of the fit of an estimator, which it can see as it would be if fit ended now."""

    attributes: Callable[[Trainable], Json | None]


def callbacks_of(estimator: Any) -> Sequence[Any]:
    """Return what is told of the fits of an estimator."""
    callbacks: Sequence[Any] = getattr(estimator, "_skl_callbacks", ())
    return callbacks


def watched(
    estimator: Any,
    X: TableLike,
    y: TargetLike,
    fit: Fit,
) -> None:
    """Fit an estimator while its callbacks are told how that goes.

    Parameters
    ----------
    estimator : estimator
        With or without callbacks.
    X : table or Source
        What it is fitted to, which callbacks of scikit-learn may ask for.
    y : array, optional
        Beside it.
    fit : callable
        Fits it, with the watcher that training is to tell; None where nobody is to be told.
    """
    if not callbacks_of(estimator) or not current().is_first:
        fit(None)
    elif with_callbacks is None:
        _watched_alone(estimator, fit)
    else:
        with_callbacks(_in_context)(estimator, X, y, fit)


def _watched_alone(estimator: Any, fit: Fit) -> None:
    begun = []
    try:
        for callback in callbacks_of(estimator):
            begun.append(callback)
            callback.setup(estimator=estimator, context=None)
        fit(_Watcher(estimator))
        _tell_end(estimator)
    finally:
        for callback in begun:
            callback.teardown(estimator=estimator, context=None)


def _in_context(estimator: Any, X: TableLike, y: TargetLike, fit: Fit) -> None:
    context = estimator._init_callback_context(max_subtasks=None)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    watcher = _ContextWatcher(estimator, context, X, y)
    fit(watcher)
    watcher.end_phase()
    _tell_end(estimator)
    context.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})


def _tell_end(estimator: Any) -> None:
    for callback in callbacks_of(estimator):
        if isinstance(callback, Observer):
            callback.on_fit_end(estimator)


class _Watcher:
    """Tells observers."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.attributes: Callable[[Trainable], Json | None] = lambda network: None
        self.observers = [own for own in callbacks_of(estimator) if isinstance(own, Observer)]

    def phase(self, phase: Phase, n_rows: int) -> None:
        """Tell of a phase that begins."""
        for observer in self.observers:
            observer.on_phase_begin(self.estimator, phase.name, phase.max_epochs, n_rows)

    def epoch(self, row: Row) -> bool:
        """Tell of an epoch; return whether one of them asks training to end."""
        own = self.estimator
        asked = [observer.on_epoch_end(own, dict(row)) for observer in self.observers]
        return any(asked)  # all were told, whatever the first of them said


class _ContextWatcher(_Watcher):
    """Tells observers, and callbacks of scikit-learn: a task for each phase and each epoch."""

    def __init__(self, estimator: Any, context: Any, X: TableLike, y: TargetLike) -> None:
        super().__init__(estimator)
        self.context, self.rows = context, {"X": X, "y": y}
        self._phase: Any = None
        self._network: Trainable | None = None

    def phase(self, phase: Phase, n_rows: int) -> None:
        """Tell of a phase that begins."""
        self.end_phase()
        super().phase(phase, n_rows)
        self._network = phase.network
        self._phase = self.context.subcontext(phase.name, max_subtasks=phase.max_epochs)
        self._phase.call_on_fit_task_begin(estimator=self.estimator, **self.rows)

    def epoch(self, row: Row) -> bool:
        """Tell of an epoch; return whether one of them asks training to end."""
        asked = super().epoch(row)
        epoch = self._phase.subcontext("epoch")
        epoch.call_on_fit_task_begin(estimator=self.estimator, **self.rows)
        return bool(self._end(epoch)) or asked

    def end_phase(self) -> None:
        """Tell that a phase has ended, where one has begun."""
        if self._phase is not None:
            self._end(self._phase)
        self._phase = None

    def _end(self, task: Any) -> Any:
        assert self._network is not None
        attributes = functools.partial(self.attributes, self._network)
        return task.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=attributes, **self.rows
        )
