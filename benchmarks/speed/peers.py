"""Peers: the same fits by other libraries, each in its own ordinary way.

All get the data as one array in memory, the workload's layers, Adam at 1e-3, its batch size and
epochs, no validation and no output. What cannot be had alike is said in `REMARKS`.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from types import ModuleType
from typing import Any

import numpy as np

from speed.workloads import Table, Workload

REMARKS = {
    "scikit-learn": "MLPRegressor; its code has the ReLU of the other layers and its output is "
    "linear",
    "skorch": "NeuralNetRegressor around the hand-written network, fused Adam",
    "pythae": "BaseTrainer around the hand-written layers, fused Adam; its progress bar, copy of "
    "the best weights and saved model are part of a fit",
    "PyOD": "AutoEncoder without batch normalisation, dropout and scaling; the code has "
    "a ReLU, the output is linear, a last batch that is not full is left out; its training "
    "alone is timed, not the scoring that follows",
    "Keras on torch": "Sequential, compile, fit",
    "Keras on JAX": "Sequential, compile, fit; the first fit compiles",
}


class Regressor:
    """A regressor in scikit-learn's manner, from X to X; ``length`` are its settings of epochs."""

    model: Any
    length: tuple[str, ...]

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took."""
        self.model.set_params(**dict.fromkeys(self.length, epochs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            started = time.perf_counter()
            self.model.fit(X, X)
            return time.perf_counter() - started

    def reconstruct(self, X: Table) -> Table:
        """Return the rows as the model gives them back."""
        found: Table = self.model.predict(X)
        return found


class ScikitLearn(Regressor):
    """`sklearn.neural_network.MLPRegressor`, from X to X."""

    length = ("max_iter", "n_iter_no_change")

    def __init__(self, workload: Workload, n_features: int) -> None:
        from sklearn.neural_network import MLPRegressor

        widths = workload.widths
        self.model = MLPRegressor(
            hidden_layer_sizes=(*widths, *widths[-2::-1]),
            alpha=0.0,
            batch_size=workload.batch_size,
            learning_rate_init=1e-3,
            tol=0.0,
            random_state=0,
        )


class Skorch(Regressor):
    """`skorch.NeuralNetRegressor` around the hand-written network."""

    length = ("max_epochs",)

    def __init__(self, workload: Workload, n_features: int) -> None:
        import torch
        from skorch import NeuralNetRegressor

        from speed import networks

        self.model = NeuralNetRegressor(
            networks.network(workload, n_features),
            criterion=torch.nn.MSELoss,
            optimizer=torch.optim.Adam,
            optimizer__fused=True,
            lr=1e-3,
            batch_size=workload.batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )


class Pythae:
    """`pythae`'s AE or VAE of the hand-written layers, and its trainer."""

    def __init__(self, workload: Workload, n_features: int) -> None:
        from pythae.models import AE, VAE, AEConfig, VAEConfig

        from speed import networks

        made = networks.network(workload, n_features)
        encoder, decoder = _pythae_parts(made, variational=workload.kind == "variational")
        shape = {"input_dim": (n_features,), "latent_dim": workload.widths[-1]}
        if workload.kind == "variational":
            config = VAEConfig(reconstruction_loss="mse", **shape)
            self.model = VAE(config, encoder=encoder, decoder=decoder)
        else:
            self.model = AE(AEConfig(**shape), encoder=encoder, decoder=decoder)
        self.network, self.batch_size = made, workload.batch_size

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took."""
        import torch
        from pythae.data.datasets import BaseDataset
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=self.batch_size,
                num_epochs=epochs,
                learning_rate=1e-3,
                optimizer_params={"fused": True},
                no_cuda=True,
            )
            started = time.perf_counter()
            data = BaseDataset(torch.from_numpy(X), torch.zeros(len(X)))
            BaseTrainer(self.model, data, training_config=config).train()
            return time.perf_counter() - started

    def reconstruct(self, X: Table) -> Table:
        """Return the rows as the network gives them back."""
        import torch

        with torch.no_grad():
            found: Table = self.network(torch.from_numpy(X)).numpy()
        return found


def _pythae_parts(made: Any, *, variational: bool) -> tuple[Any, Any]:
    """Return a hand-written network's halves as pythae wants them."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.made = made

        def forward(self, x: Any) -> Any:
            if not variational:
                return ModelOutput(embedding=self.made.encoder(x))
            hidden = self.made.body(x)
            mean, log_variance = self.made.mean(hidden), self.made.log_variance(hidden)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = made.decoder

        def forward(self, code: Any) -> Any:
            return ModelOutput(reconstruction=self.layers(code))

    return Encoder(), Decoder()


class PyOD:
    """`pyod.models.auto_encoder.AutoEncoder`, timed from its first batch to its last."""

    def __init__(self, workload: Workload, n_features: int) -> None:
        from pyod.models.auto_encoder import AutoEncoder

        class Timed(AutoEncoder):  # type: ignore[misc]
            def train(self, train_loader: Any) -> None:
                started = time.perf_counter()
                super().train(train_loader)
                self.seconds = time.perf_counter() - started

        self.model = Timed(
            preprocessing=False,
            lr=1e-3,
            batch_size=workload.batch_size,
            optimizer_params={"weight_decay": 0.0},
            hidden_neuron_list=list(workload.widths),
            batch_norm=False,
            dropout_rate=0.0,
            device="cpu",
            verbose=0,
        )

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took."""
        self.model.epoch_num = epochs
        self.model.fit(X)
        return float(self.model.seconds)

    def reconstruct(self, X: Table) -> Table:
        """Return the rows as the network gives them back."""
        import torch

        with torch.no_grad():
            found: Table = self.model.model(torch.from_numpy(X)).numpy()
        return found


class Keras:
    """`keras.Sequential` on the backend that KERAS_BACKEND names."""

    def __init__(self, workload: Workload, n_features: int, backend: str) -> None:
        keras = _keras(backend)
        widths = (*workload.widths, *workload.widths[-2::-1])
        code = len(workload.widths) - 1
        layers = [
            keras.layers.Dense(width, activation=None if i == code else "relu")
            for i, width in enumerate(widths)
        ]
        self.model = keras.Sequential(
            [
                keras.Input((n_features,)),
                *layers,
                keras.layers.Dense(n_features, activation=workload.output),
            ]
        )
        self.model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
        self.batch_size = workload.batch_size

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took."""
        started = time.perf_counter()
        self.model.fit(X, X, batch_size=self.batch_size, epochs=epochs, verbose=0)
        return time.perf_counter() - started

    def reconstruct(self, X: Table) -> Table:
        """Return the rows as the model gives them back."""
        return np.asarray(self.model.predict(X, batch_size=self.batch_size, verbose=0))


def _keras(backend: str) -> ModuleType:
    if backend == "jax":
        import jax  # noqa: F401, so that it is what is missing where it is missing
    os.environ["KERAS_BACKEND"] = backend
    import keras

    return keras
