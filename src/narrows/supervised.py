"""Supervised: an autoencoder's encoder with a head, trained end to end for classes or numbers."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, check_consistent_length, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, _check_y, check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from narrows import autoencoder_state, checks, persistence, stored
from narrows.activations import ACTIVATIONS
from narrows.architectures.block import Block
from narrows.architectures.dense import DenseBlock
from narrows.composition import Composition
from narrows.data import arrays
from narrows.data.encoding import Rows
from narrows.data.table import make_table
from narrows.errors import CompositionError, DataError, ParameterError
from narrows.estimator import Autoencoder
from narrows.forward import ForwardPass
from narrows.model_folder import State, Storable
from narrows.network import Network
from narrows.objective import Objective, Value
from narrows.training import budget, progress
from narrows.training.optimizers import Optimizer
from narrows.training.rates import Constant, LearningRate, OneCycle
from narrows.training.runtime import Randomness, resolve, seed
from narrows.training.schedules import Joint
from narrows.training.trainer import Settings, Trainer

__all__ = ["AutoencoderClassifier", "AutoencoderRegressor"]

Matrix = NDArray[Any]


class Head(nn.Module):
    """Dense layers from the code to what is predicted.

    Parameters
    ----------
    widths : sequence of int
        From the code over the hidden layers to the outputs.
    """

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        last = len(widths) - 2
        self.blocks = nn.ModuleList(
            DenseBlock(n_in, n_out, ACTIVATIONS["linear" if number == last else "relu"])
            for number, (n_in, n_out) in enumerate(itertools.pairwise(widths))
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        for block in self.blocks:
            cast(Block, block).initialise(generator)

    def forward(self, code: Tensor) -> Tensor:
        """Map codes of shape (n_samples, n_components) to shape (n_samples, n_outputs)."""
        for block in self.blocks:
            code = block(code)
        return code


class Headed(nn.Module):
    """An autoencoder with a head, as the trainer asks of a network.

    Parameters
    ----------
    network : Network
        Whose encoder is fine-tuned; its decoder only where reconstruction counts.
    head : Head
        Predicts from the mean of the code.
    reconstructs : bool
        Whether the decoder is trained too.
    """

    def __init__(self, network: Network, head: Head, *, reconstructs: bool) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.reconstructs = reconstructs

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return what the objective moves."""
        parts: list[nn.Module] = [self.network.body, self.network.heads[0], self.head]
        if self.reconstructs:
            parts += [self.network.heads, self.network.decoder]
        found = {id(p): p for part in parts for p in part.parameters()}
        return list(found.values())

    def forward(self, x: Tensor, x_corrupted: Tensor | None = None, **options: Any) -> ForwardPass:
        """Pass a batch through encoder and head, and through the decoder if that is trained."""
        if self.reconstructs:
            found: ForwardPass = self.network(x, x_corrupted, **options)
        else:
            posterior = self.network.posterior(x, options["observed"])
            keep = ("observed", "sample_weight", "target", "generator", "progress")
            rest = {key: options[key] for key in keep if key in options}
            mean = posterior.mean
            found = ForwardPass(self.network, x, x, posterior, mean, mean, **rest)
        found.prediction = self.head(found.posterior.mean)
        return found


class _Task:
    """What is predicted: its loss, per sample."""

    def __init__(self, kind: str, objective: Objective, weight: float) -> None:
        self.kind = kind
        self.objective = objective
        self.weight = weight
        self.names: tuple[str, ...] = ("loss", "reconstruction") if weight else ("loss",)
        self.terms: dict[str, Any] = {}
        self.grows = False

    def __call__(self, forward: ForwardPass) -> Value:
        assert forward.prediction is not None
        assert forward.target is not None
        if self.kind == "classes":
            each = F.cross_entropy(forward.prediction, forward.target, reduction="none")
        else:
            each = F.mse_loss(forward.prediction, forward.target, reduction="none").sum(1)
        total = forward.mean(each)
        parts = [total.detach()]
        if self.weight:
            rebuilt = self.weight * forward.mean(self.objective.per_sample(forward))
            parts.append(rebuilt.detach())
            total = total + rebuilt
        return Value(total, parts)

    def beside(self, means: Mapping[str, float], n_features: int) -> dict[str, float]:
        """Return nothing: there is no loss per feature."""
        return {}

    def learn(self, forward: ForwardPass) -> dict[str, Tensor]:
        """Return nothing: there is no critic."""
        return {}


class _Supervised(
    Storable,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """What classifier and regressor share."""

    _kind: str

    def __init__(
        self,
        autoencoder: Any = None,
        *,
        hidden: Any = (),
        pretrain: bool = True,
        reconstruction_weight: float = 0.0,
        optimizer: Any = "adamw",
        learning_rate: Any = "auto",
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_grad_norm: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.hidden = hidden
        self.pretrain = pretrain
        self.reconstruction_weight = reconstruction_weight
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_grad_norm = max_grad_norm
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X: Any) -> Matrix:
        """Return the codes of rows, as the encoder makes them after fine-tuning.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        rows = self._rows(X)
        return self.encoder_._map(
            rows, lambda network, x, seen: network.encode(x, seen), self.encoder_.n_components_
        )

    def _target(self, y: Any, rows: Rows, **options: Any) -> Matrix:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        found: Matrix = _check_y(y, estimator=self, **options)
        check_consistent_length(rows, found)
        return found

    def _train(
        self, rows: Rows, target: Matrix, n_outputs: int, sample_weight: Any, owned: bool
    ) -> None:
        rows, weight, kept = arrays.weigh(rows, sample_weight, target)
        target = cast(Matrix, kept)
        start = seed(self.random_state)
        encoder = self._encoder(rows, weight, start)
        runtime = resolve(encoder.device, encoder.precision)
        randomness = Randomness.seeded(start, runtime.device)
        network = encoder.network_.to(runtime.device, runtime.dtype)
        head = Head([encoder.n_components_, *self._hidden(), n_outputs])
        head = head.to(runtime.device, runtime.dtype)
        head.initialise(randomness.initial)
        factor = checks.number("reconstruction_weight", self.reconstruction_weight, low=0)
        headed = Headed(network, head, reconstructs=factor > 0)
        if self._kind == "numbers":
            target = target.astype(np.float64 if runtime.dtype == torch.float64 else np.float32)
        table = make_table(
            rows,
            encoder.encoding_,
            runtime.dtype,
            runtime.device,
            sample_weight=weight,
            target=target,
            owned=owned,
        )
        task = _Task(self._kind, encoder._composition.objective, factor)
        trainer = Trainer(
            self._settings(task, table.n_rows, table.n_features),
            runtime,
            randomness,
            progress.make(self.verbose),
        )
        outcome = trainer.fit(cast(Network, headed), table)
        self.encoder_, self.head_ = encoder, head
        self.history_, self.stop_reason_ = outcome.history, outcome.stop_reason
        self.n_iter_ = len(outcome.history)
        self._count()

    def _count(self) -> None:
        network = self.encoder_.network_
        parts = [network.body, network.heads, self.head_]
        self.n_parameters_ = sum(p.numel() for part in parts for p in part.parameters())

    def _encoder(self, rows: Rows, weight: Matrix | None, start: int) -> Autoencoder:
        """Return an autoencoder of our own: pre-trained, drawn, or a copy of a frozen one."""
        given = self.autoencoder
        if isinstance(given, FrozenEstimator):
            found = copy.deepcopy(given.estimator)
            check_is_fitted(found, "network_")
            if found.n_features_in_ != rows.shape[1]:
                raise DataError(
                    f"X has {rows.shape[1]} columns but the frozen autoencoder was fitted to "
                    f"{found.n_features_in_}; give it the columns of its own fit"
                )
            return cast(Autoencoder, found)
        if given is not None and not isinstance(given, Autoencoder):
            raise ParameterError(
                f"autoencoder={given!r} must be an Autoencoder, or FrozenEstimator(fitted one)"
            )
        found = Autoencoder(16, corruption="masking") if given is None else clone(given)
        if found.random_state is None:
            found.set_params(random_state=start % 2**31)
        if _parts(found).latent.is_binary:
            raise CompositionError(
                "latent=BinaryCode() has no gradient where it is rounded; choose latent='point'"
            )
        if self.pretrain:
            return found.fit(rows, sample_weight=weight)
        job = found._prepare(
            found._read(rows, reset=True), None, weight, fresh=True, overwrite=False
        )
        found._finish(job, [], "untrained")
        return found

    def _hidden(self) -> list[int]:
        return [
            checks.integer(f"hidden[{number}]", width, low=1)
            for number, width in enumerate(self.hidden)
        ]

    def _settings(self, task: _Task, n_rows: int, n_features: int) -> Settings:
        optimizer = Optimizer.of(self.optimizer)
        optimizer.check()
        rate = self.learning_rate
        if isinstance(rate, str) and rate == "auto":
            chosen: LearningRate = Constant() if optimizer.full_batch else OneCycle()
        else:
            chosen = LearningRate.of(rate)
        chosen.check()
        size = budget.batch_size(self.batch_size, n_rows)
        return Settings(
            objective=cast(Objective, task),
            optimizer=optimizer,
            learning_rate=chosen,
            rate=optimizer.default_rate(n_features) if chosen.rate is None else float(chosen.rate),
            corruption=None,
            schedule=Joint(),
            batch_size=size,
            max_epochs=budget.max_epochs(self.max_epochs, n_rows, size, optimizer),
            validation_fraction=checks.number(
                "validation_fraction",
                self.validation_fraction,
                low=0,
                high=1,
                include_low=False,
                include_high=False,
            ),
            patience=checks.integer("n_iter_no_change", self.n_iter_no_change, low=1)
            if self.early_stopping
            else None,
            max_grad_norm=self.max_grad_norm,
        )

    def _rows(self, X: Any) -> Rows:
        check_is_fitted(self, "head_")
        return arrays.read(self, X, reset=False, missing=self._takes_missing)

    @property
    def _takes_missing(self) -> bool:
        given = self.autoencoder
        inner = given.estimator if isinstance(given, FrozenEstimator) else given
        if not isinstance(inner, Autoencoder):
            return False
        return _parts(inner).architecture.takes_missing

    def _predicted(self, X: Any, n_outputs: int) -> Matrix:
        rows = self._rows(X)
        heads = {torch.float32: self.head_, torch.float64: copy.deepcopy(self.head_).double()}
        if next(self.head_.parameters()).dtype == torch.float64:
            heads[torch.float32] = copy.deepcopy(self.head_).float()

        def outputs(network: Network, x: Tensor, seen: Tensor | None) -> Tensor:
            found: Tensor = heads[x.dtype](network.posterior(x, seen).mean)
            return found

        return self.encoder_._map(rows, outputs, n_outputs)

    @property
    def _n_features_out(self) -> int:
        return int(self.encoder_.n_components_)

    def _state(self) -> State:
        tensors = {
            f"head.{name}": value.detach().cpu().numpy()
            for name, value in self.head_.named_parameters()
        }
        fitted = {**stored.columns(self), **stored.training(self), "n_outputs": self._n_outputs}
        return State(fitted, tensors, {"encoder": self.encoder_})

    def _restore(self, state: State) -> None:
        with stored.described():
            encoder = state.parts["encoder"]
            if set(state.parts) != {"encoder"} or not isinstance(encoder, Autoencoder):
                raise TypeError("the encoder is no Autoencoder")
            n_outputs = checks.integer("n_outputs", state.fitted["n_outputs"], low=1)
            widths = [encoder.n_components_, *self._hidden(), n_outputs]
            with torch.device("meta"):
                outline = Head(widths)
            shapes = {f"head.{name}": tuple(p.shape) for name, p in outline.named_parameters()}
            stored.restore_columns(self, state.fitted, encoder.n_features_in_)
            stored.restore_training(self, state.fitted)
        expected = {**shapes, **self._extra_shapes(n_outputs)}
        persistence.check_tensors(state.tensors, expected)
        dtype = autoencoder_state.dtype_name(encoder.network_)
        heads = {name: value for name, value in state.tensors.items() if name in shapes}
        autoencoder_state.check_values(heads, dtype)
        head = Head(widths).to(next(encoder.network_.parameters()).dtype)
        with torch.no_grad():
            for name, parameter in head.named_parameters():
                parameter.copy_(torch.from_numpy(state.tensors[f"head.{name}"]))
        self.encoder_, self.head_ = encoder, head
        self._count()

    def _extra_shapes(self, n_outputs: int) -> dict[str, tuple[int, ...]]:
        return {}

    @property
    def _n_outputs(self) -> int:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_missing
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class AutoencoderClassifier(ClassifierMixin, _Supervised):  # type: ignore[misc]
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
        How much rows of each class count.
    optimizer : Optimizer, str or class, default="adamw"
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

    _kind = "classes"

    def __init__(
        self,
        autoencoder: Any = None,
        *,
        hidden: Any = (),
        pretrain: bool = True,
        reconstruction_weight: float = 0.0,
        class_weight: Any = None,
        optimizer: Any = "adamw",
        learning_rate: Any = "auto",
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_grad_norm: float | None = None,
        random_state: Any = None,
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn to tell the classes of rows.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            As of `Autoencoder`.
        y : array of shape (n_samples,)
            Class of each row, of any type.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.

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
        rows = arrays.read(self, X, reset=True, missing=self._takes_missing)
        found = self._target(y, rows)
        check_classification_targets(found)
        self.classes_, target = np.unique(found, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"y has one class only, {self.classes_[0]!r}; a classifier needs rows of at least "
                "two classes"
            )
        weight = self._weight(found, target, sample_weight)
        owned = arrays.owned(rows, X)
        self._train(rows, target.astype(np.int64), len(self.classes_), weight, owned)
        return self

    def _weight(self, y: Matrix, target: Matrix, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        own = by_class[target]
        return own if sample_weight is None else own * np.asarray(sample_weight)

    def predict(self, X: Any) -> Matrix:
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
        found: Matrix = self.classes_[logits.argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Matrix:
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

    def predict_log_proba(self, X: Any) -> Matrix:
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
        found: Matrix = F.log_softmax(logits, dim=1).numpy()
        return found

    def _logits(self, X: Any) -> Matrix:
        check_is_fitted(self, "head_")
        return self._predicted(X, self._n_outputs)

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_)

    def _state(self) -> State:
        state = super()._state()
        return state._replace(fitted={**state.fitted, "classes": _labels(self.classes_)})

    def _restore(self, state: State) -> None:
        with stored.described():
            self.classes_ = _restored_labels(state.fitted["classes"])
            if len(self.classes_) != state.fitted["n_outputs"]:
                raise ValueError("there are not as many classes as outputs")
        super()._restore(state)


class AutoencoderRegressor(RegressorMixin, _Supervised):  # type: ignore[misc]
    """Regressor on an autoencoder's code: pre-trained, then trained end to end with a head.

    head(f(x)), f the encoder, on the squared error of the standardised target.

    Parameters
    ----------
    autoencoder : Autoencoder or FrozenEstimator, optional
        Whose encoder. It is never changed: an unfitted one is cloned and fitted, a fitted one in
        `sklearn.frozen.FrozenEstimator` is copied with what it has learned. By default
        ``Autoencoder(16, corruption="masking")``.
    hidden : sequence of int, default=()
        Widths of relu layers between code and target.
    pretrain : bool, default=True
        Whether the autoencoder is fitted to X first; otherwise it begins with drawn weights.
    reconstruction_weight : float, default=0.0
        Multiplies the reconstruction loss, which fine-tuning may keep in mind.
    optimizer : Optimizer, str or class, default="adamw"
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
    encoder_ : Autoencoder
        The autoencoder, its encoder fine-tuned.
    head_ : torch.nn.Module
        From the code to the standardised target.
    history_ : list of dict
        One row per epoch of fine-tuning: the loss is the squared error of the standardised target.
    n_iter_ : int
        Epochs of fine-tuning.
    stop_reason_ : str
        As of `Autoencoder`.
    n_parameters_ : int
        Numbers in encoder and head.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313
    (2006).

    Examples
    --------
    >>> from narrows import AutoencoderRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = AutoencoderRegressor(max_epochs=10, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.4)
    True
    """

    _kind = "numbers"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn to predict numbers from rows.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            As of `Autoencoder`.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        sample_weight : array of shape (n_samples,), optional
            How much each row counts.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a setting cannot be, or two parts do not go together.
        DataError
            If X cannot be used as it is.
        """
        rows = arrays.read(self, X, reset=True, missing=self._takes_missing)
        found = self._target(y, rows, multi_output=True, y_numeric=True)
        self._flat = found.ndim == 1
        target = np.asarray(found, np.float64).reshape(len(found), -1)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, rows)
        self.target_mean_ = np.average(target, axis=0, weights=weight)
        distance = target - self.target_mean_
        # A target that never changes has scale 0, so that it is predicted as it is.
        self.target_scale_ = np.sqrt(np.average(distance**2, axis=0, weights=weight))
        scaled = distance / np.where(self.target_scale_ > 0, self.target_scale_, 1.0)
        self._train(rows, scaled, target.shape[1], weight, arrays.owned(rows, X))
        return self

    def predict(self, X: Any) -> Matrix:
        """Return the predicted numbers of each row.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), as y was
            In the units of y.
        """
        check_is_fitted(self, "head_")
        scaled = self._predicted(X, self._n_outputs)
        found: Matrix = scaled * self.target_scale_ + self.target_mean_
        return found[:, 0] if self._flat else found

    @property
    def _n_outputs(self) -> int:
        return len(self.target_mean_)

    def _state(self) -> State:
        state = super()._state()
        tensors = {"target.mean": self.target_mean_, "target.scale": self.target_scale_}
        return State(
            {**state.fitted, "flat": self._flat}, {**state.tensors, **tensors}, state.parts
        )

    def _restore(self, state: State) -> None:
        super()._restore(state)
        with stored.described():
            self._flat = stored.boolean("flat", state.fitted["flat"])
        self.target_mean_ = state.tensors["target.mean"]
        self.target_scale_ = state.tensors["target.scale"]

    def _extra_shapes(self, n_outputs: int) -> dict[str, tuple[int, ...]]:
        return {"target.mean": (n_outputs,), "target.scale": (n_outputs,)}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _parts(autoencoder: Autoencoder) -> Composition:
    return Composition.of(autoencoder.get_params(deep=False))


_LABELS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


def _labels(classes: Matrix) -> dict[str, Any]:
    """Return class labels as plain data, with their dtype.

    Raises
    ------
    ParameterError
        If they are of a type that JSON lacks.
    """
    values = classes.tolist()
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or next(iter(kinds)).__name__ not in _LABELS:
        raise ParameterError(
            f"classes {values[:3]} are not all text, numbers or booleans, so they cannot be "
            "written to a model file; use one such type for y"
        )
    return {"dtype": classes.dtype.str if classes.dtype != object else "object", "values": values}


def _restored_labels(data: Any) -> Matrix:
    values, dtype = data["values"], data["dtype"]
    if not isinstance(values, list) or len({type(value) for value in values}) != 1:
        raise TypeError("classes are not all of one type")
    if type(values[0]).__name__ not in _LABELS:
        raise TypeError("classes are neither text nor numbers nor booleans")
    if dtype != "object" and np.dtype(dtype).kind not in "biufU":
        raise TypeError(f"classes cannot have dtype {dtype!r}")
    return np.asarray(values, dtype=dtype)
