"""Digits fits: the tutorial's case study, 784-36-784 and its variations, which R1 and R2 share.

The published fits take 60 epochs over 60,000 images in batches of 256 (14,100 steps); here it is
360 epochs over 10,000 (14,400 steps), so that six epochs of ours stand for one of the published.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from narrows import SGD, Adagrad, Adam, Autoencoder, Dense, RMSprop
from narrows.training.optimizers.optimizer import TorchOptimizer
from reproduction.data import Digits, digits
from reproduction.record import Found

EPOCHS = 60
OURS = 360
# The published rate is of a loss that is a mean over the 784 pixels; ours sums them. Only SGD's
# step depends on that: the others divide by the size of the gradients.
OPTIMISERS: dict[str, tuple[Any, float]] = {
    "Adam": (Adam(), 1e-3),
    "RMSProp": (RMSprop(), 1e-3),
    "AdaGrad": (Adagrad(), 1e-2),
    "SGD": (SGD(momentum=0.0, nesterov=False), 1e-2 / 784),
}
# Keras adds 1e-7 to the root of the squared gradients, PyTorch 1e-8; and the gradients it adds that
# to are those of a mean over the pixels, 784 times smaller than ours.
KERAS_EPSILON: dict[str, tuple[Any, float]] = {
    "Adam, epsilon of Keras": (Adam(eps=784e-7), 1e-3),
    "RMSProp, epsilon of Keras": (
        TorchOptimizer(torch.optim.RMSprop, {"alpha": 0.9, "eps": 784e-7}),
        1e-3,
    ),
}
FIRST = [3, 2, 1, 18, 4, 8, 11, 0, 61, 7]  # the first test digit of each class
# Each different fit once; R2's rows name them.
FITS: dict[str, dict[str, Any]] = {
    **{f"36 tanh {name}": {"optimiser": name} for name in OPTIMISERS},
    **{f"{size} tanh RMSProp": {"n_components": size} for size in (16, 81, 144)},
    **{f"36 {name} RMSProp": {"activation": name} for name in ("sigmoid", "relu", "selu")},
    "36 linear": {"linear": True},
}
# The same with the epsilon of Keras, which turned out to explain a gap.
KERAS: dict[str, dict[str, Any]] = {
    f"{name}, epsilon of Keras": {**settings, "optimiser": f"{optimiser}, epsilon of Keras"}
    for name, settings in FITS.items()
    for optimiser in [settings.get("optimiser", "RMSProp")]
    if optimiser in ("Adam", "RMSProp") and "linear" not in settings
}


def fit(
    n_components: int = 36,
    optimiser: str = "RMSProp",
    activation: str = "tanh",
    *,
    seed: int,
    linear: bool = False,
    data: Digits | None = None,
    epochs: int = OURS,
) -> Found:
    """Return the training loss per pixel of every epoch, and squared errors per pixel."""
    data = data or digits()
    optimizer, rate = {**OPTIMISERS, **KERAS_EPSILON}[optimiser]
    model = Autoencoder(
        n_components,
        architecture=Dense((), code_activation="linear" if linear else activation),
        scaling=None,
        loss="squared_error" if linear else "cross_entropy",
        optimizer=optimizer,
        learning_rate=rate,
        batch_size=256,
        max_epochs=epochs,
        init="random",
        random_state=seed,
    ).fit(data.train)
    losses = [row["loss_per_feature"] for row in model.history_]
    return {"curve": published_epochs(losses), **errors(data, model.reconstruct(data.test))}


def pca(n_components: int, *, twice: bool = False) -> Found:
    """Return the errors of principal components; of the mean image where there are none."""
    data = twice_the_images() if twice else digits()
    if n_components == 0:
        return errors(data, np.broadcast_to(data.train.mean(0), data.test.shape))
    model = PCA(n_components, random_state=0).fit(data.train)
    return errors(data, model.inverse_transform(model.transform(data.test)))


def twice_the_images() -> Digits:
    """Return the digits with all test images but the first of each class as training images too."""
    data = digits()
    others = np.setdiff1d(np.arange(len(data.test)), FIRST)
    images = np.concatenate([data.train, data.test[others]])
    labels = np.concatenate([data.train_labels, data.test_labels[others]])
    order = np.random.default_rng(0).permutation(len(images))
    return replace(data, train=images[order], train_labels=labels[order])


def fit_twice(n_components: int, *, seed: int) -> Found:
    """Return a fit on twice the images, for as many steps; its "test" is not of unseen images."""
    epochs = OURS // 2
    return fit(n_components, seed=seed, data=twice_the_images(), epochs=epochs)


def errors(data: Digits, reconstruction: NDArray[np.float32]) -> Found:
    """Return squared errors per pixel: of the first test digit of each class, and of all."""
    each = ((data.test - reconstruction) ** 2).mean(1)
    chosen = FIRST if len(each) > max(FIRST) else []
    return {"first digits": float(each[chosen].mean()), "test": float(each.mean())}


def published_epochs(losses: list[float], epochs: int = EPOCHS) -> list[float]:
    """Return the means of equal stretches: what a published epoch's training loss is a mean of."""
    column_ranges = np.asarray(losses).reshape(epochs, -1) if len(losses) >= epochs else [losses]
    return [round(float(np.mean(stretch)), 6) for stretch in column_ranges]
