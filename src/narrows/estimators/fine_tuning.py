"""What classifier and regressor share: an encoder with a head, trained end to end."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, _check_y, check_is_fitted
from torch import Tensor

from narrows.core import checks, memory
from narrows.core.fit_settings import copied_settings, settings_of_fit
from narrows.core.group import current
from narrows.core.randomness import Randomness, seed
from narrows.core.types import Estimator, Json, Matrix, Part, RandomState, TableLike, TargetLike
from narrows.data import containers, reading
from narrows.data.column_statistics import Rows
from narrows.data.sources.parts import Written
from narrows.data.sources.source import Beside, Source
from narrows.data.sources.taken import Taken
from narrows.data.table import make_table
from narrows.errors import CompositionError, DataError
from narrows.estimators import nested, validation
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.export_methods import ExportMethods
from narrows.estimators.head import Head, NetworkWithHead, SupervisedObjective
from narrows.inference import transform_to
from narrows.inference.fitted_model import weights_digest
from narrows.inference.transform_to import Writer
from narrows.latents import Latent
from narrows.network.network import Network
from narrows.observers.observer import FitWatcher, Observed, watched
from narrows.persistence import autoencoder_state, files, stored
from narrows.persistence.model import State, Storable
from narrows.training.plan import refuse_all_rows
from narrows.training.run import prepare
from narrows.training.runtime import resolve

if TYPE_CHECKING:
    from narrows.export.portable import Exportable

WRITTEN = {"predict": "predictions", "predict_proba": "probabilities"}


class FineTuned(
    ExportMethods,
    Storable,
    Observed,  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """What classifier and regressor share."""

    _task: type[SupervisedObjective]
    _predicts: tuple[str, ...] = ("predict",)  # the methods that say what is predicted

    def __init__(
        self,
        autoencoder: Estimator = None,
        *,
        hidden: Any = (),
        pretrain: bool = True,
        reconstruction_weight: float = 0.0,
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

    def transform(self, X: TableLike) -> Matrix:
        """Return the codes of rows, as the encoder makes them after fine-tuning.

        Parameters
        ----------
        X : array, CSR array or data frame of shape (n_samples, n_features)
            Rows with the columns of fit.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        self._read(X, reset=False)
        return self.encoder_.transform(X)

    def transform_to(
        self,
        source: Source,
        folder: str | os.PathLike[str],
        *,
        what: str = "predictions",
        n_jobs: int = 1,
        on_error: str = "raise",
    ) -> Written:
        """Write what is predicted of a source, whose rows need not fit in memory, as Parquet files.

        Parameters
        ----------
        source : Source
            What `narrows.open_source` opens, with the columns of fit.
        folder : path
            Where the parts go, as of `Autoencoder.transform_to`.
        what : {"predictions", "codes"}
            What is written: what `predict` or `transform` give; by a classifier, too, what
            ``predict_proba`` gives: "probabilities".
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
            If a piece cannot be used, or the folder holds something else.
        ParameterError
            If there is no such ``what``.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> from narrows import AutoencoderRegressor, open_source
        >>> X = np.random.default_rng(0).normal(size=(300, 5)).astype("float32")
        >>> source = open_source(X, target=X[:, 0] + X[:, 1])
        >>> model = AutoencoderRegressor(max_epochs=2, random_state=0).fit(source)
        >>> model.transform_to(source, tempfile.mkdtemp()).n_rows
        300
        """
        return transform_to.transform_to(
            self._writer, source, folder, what=what, n_jobs=n_jobs, on_error=on_error
        )

    @property
    def _exportable(self) -> Exportable:
        from narrows.export.portable import Exportable, PortableHead
        from narrows.export.reference import as_read, rows_like_those_of_fit

        check_is_fitted(self, "head_")
        model = self.encoder_._fitted
        settings, described = self._head_settings()

        def answers(cells: Matrix, outputs: Sequence[str]) -> dict[str, Matrix]:
            rows = as_read(model, cells)
            predicted = self._answers(self._mapped(rows, self._n_outputs))
            return {"encode": model.encode(rows), **predicted}

        return Exportable(
            model,
            settings_of_fit(self),
            (*self._predicts, "encode"),
            ("predict",),
            lambda outputs: PortableHead(model, self.head_, outputs, **settings),
            answers,
            functools.partial(rows_like_those_of_fit, model),
            described,
        )

    def _head_settings(self) -> tuple[Json, Json]:
        """Return what a head needs to be exported, and what is said of it."""
        raise NotImplementedError

    def _answers(self, scores: Matrix) -> dict[str, Matrix]:
        """Return what an exported file gives for what the head says, by name."""
        raise NotImplementedError

    @property
    def _writer(self) -> Writer:
        check_is_fitted(self, "head_")
        choices = ("codes", *(WRITTEN[name] for name in self._predicts))
        return Writer(self, self.encoder_._fitted, choices, ("codes",), weights_digest(self.head_))

    def _target(self, y: TargetLike, X: TableLike, **options: Any) -> Matrix:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        containers.refuse_holes("y", y)
        target: Matrix = _check_y(y, estimator=self, **options)
        check_consistent_length(X, target)
        return target

    def _fit_watched(self, rows: Taken, validation_data: Any) -> Self:
        """Fit to rows as they were given, while callbacks are told how that goes."""
        watched(self, rows.X, rows.y, functools.partial(self._fit, rows, validation_data))
        return self

    def _fit(self, rows: Taken, validation_data: Any, watcher: FitWatcher | None) -> None:
        """Make targets of y, and train."""
        raise NotImplementedError

    def _validation(
        self, validation_data: Any, convert: Callable[[Matrix, Matrix | None], Beside], **of_y: Any
    ) -> Taken | None:
        """Return rows for validation with their targets, as the task has them; None of none.

        Raises
        ------
        DataError
            If they cannot be used as they are.
        """
        others = validation.taken(validation_data)
        if others is None:
            return None
        with validation.named():
            if others.y is None:
                raise DataError("there is no y; give (X, y), or a source with a target")
            target = self._target(others.y, others.X, **of_y)
            weight = others.sample_weight
            if weight is not None:
                weight = _check_sample_weight(weight, target, ensure_non_negative=True)
            return Taken(others.X, *convert(target, weight))

    def _train(
        self,
        taken: Taken,
        n_outputs: int,
        others: Taken | None = None,
        watcher: FitWatcher | None = None,
    ) -> None:
        """Train encoder and head on rows with their targets, as the task has them.

        ``others`` are rows for validation.
        """
        settings, group = self.get_params(deep=False), current()
        if taken.is_sample:
            refuse_all_rows(settings)
        start = seed(self.random_state)
        encoder = self._encoder(taken._replace(y=None), start, others)
        model = encoder._fitted
        rows = model.read(taken.X)
        overwrite = model.layout.schema is not None or reading.is_copy(rows, taken.X)
        rows, weight, kept = reading.apply_sample_weight(rows, taken.sample_weight, taken.y)
        fingerprint = model.fingerprint  # a frozen one has seen other rows before
        if fingerprint is not None:
            fingerprint = taken.fingerprint(rows, fingerprint)
        # What the network's answer was worth is not what it will be.
        encoder._adopt(replace(model, fingerprint=fingerprint, stack=None))
        runtime = resolve(encoder.device, encoder.precision)
        randomness = Randomness.seeded(start, runtime.device)
        network = model.network.to(runtime.device, runtime.dtype)
        head = Head([encoder.n_components_, *self._hidden(), n_outputs])
        head = head.to(runtime.dtype)
        head.initialize(randomness.initial)  # a generator of the processor's
        head = head.to(runtime.device)
        factor = checks.number("reconstruction_weight", self.reconstruction_weight, low=0)
        headed = NetworkWithHead(network, head, reconstructs=factor > 0)
        at_hand = make_table(
            rows,
            model.scaling,
            runtime.dtype,
            runtime.device,
            sample_weight=weight,
            target=kept,
            layout=model.layout,
            owned=overwrite,
        )
        if others is not None:
            at_hand = validation.added(at_hand, model, others, others.y)
        if watcher is not None:
            watcher.attributes = functools.partial(self._attributes, encoder)
        run = prepare(
            headed,
            self._task(model.objective, factor),
            settings,
            taken.table(at_hand, model.scaling, model.layout, randomness.order, group),
            runtime=runtime,
            randomness=randomness,
            group=group,
            watcher=watcher,
        )
        with memory.kept():
            outcome = run.fit()
        self._fit_settings = copied_settings(self)
        self.encoder_, self.head_ = encoder, head
        self.history_, self.stop_reason_ = outcome.history, outcome.stop_reason
        self.n_iter_ = len(outcome.history)
        self._count()

    def _attributes(self, encoder: Autoencoder, headed: Any) -> Json:
        """Return what this would be with an encoder and a head in training."""
        headed = copy.deepcopy(headed).train(mode=False)
        own = copy.copy(encoder)
        own._adopt(replace(encoder._fitted, network=headed.network))
        return {"encoder_": own, "head_": headed.head}

    def _count(self) -> None:
        network = self.encoder_.network_
        parts = [network.body, network.heads, self.head_]
        self.n_parameters_ = sum(p.numel() for part in parts for p in part.parameters())

    def _default_part(self, name: str) -> Part:
        return Autoencoder(16, corruption="masking") if name == "autoencoder" else None

    def _encoder(self, taken: Taken, start: int, others: Taken | None) -> Autoencoder:
        """Return an autoencoder of our own: pre-trained, drawn, or a copy of a frozen one."""
        frozen = nested.frozen(self.autoencoder, self.n_features_in_)
        if frozen is not None:
            return copy.deepcopy(frozen)
        default = self._default_part("autoencoder")
        autoencoder = nested.unfitted(self.autoencoder, default, start % 2**31)
        if Latent.of(autoencoder.latent).is_binary:
            raise CompositionError(
                "latent=BinaryCode() has no gradient where it is rounded; choose latent='point'"
            )
        if self.pretrain:
            return autoencoder._learn(taken, others=others)
        autoencoder.init_, autoencoder.trials_ = "random", []
        autoencoder._finish(autoencoder._prepare(taken, fresh=True), [], "untrained")
        return autoencoder

    def _hidden(self) -> tuple[int, ...]:
        return checks.widths("hidden", self.hidden)

    def _read(self, X: TableLike, *, reset: bool) -> None:
        """Check X; the autoencoder, which knows its own columns, is given X itself."""
        if not reset:
            check_is_fitted(self, "head_")
        reading.record(self, X, reset=reset)

    def _predicted(self, X: TableLike, n_outputs: int) -> Matrix:
        self._read(X, reset=False)
        return self._mapped(self.encoder_._fitted.read(X), n_outputs)

    def _mapped(self, rows: Rows, n_outputs: int) -> Matrix:
        heads = {torch.float32: self.head_, torch.float64: copy.deepcopy(self.head_).double()}
        if next(self.head_.parameters()).dtype == torch.float64:
            heads[torch.float32] = copy.deepcopy(self.head_).float()

        def outputs(network: Network, x: Tensor, seen: Tensor | None) -> Tensor:
            values: Tensor = heads[x.dtype](network.posterior(x, seen).mean)
            return values

        return self.encoder_._fitted.map(rows, outputs, n_outputs)

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
            stored.check_same_columns(self, encoder)
            stored.restore_training(self, state.fitted)
        expected = {**shapes, **self._extra_shapes(n_outputs)}
        files.check_tensors(state.tensors, expected)
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
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
