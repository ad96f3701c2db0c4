"""Pictures of docs/kinds: one per kind of autoencoder, each from a fit made here.

    python benchmarks/pictures.py            # all
    python benchmarks/pictures.py sparse     # one

The tables come with scikit-learn, every fit has a seed, and the files are the same at every run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from narrows import (
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    BinaryCode,
    Contraction,
    CrossEntropy,
    Dense,
    Layerwise,
    Masking,
    Sparsity,
    hamming_search,
    pad_sequences,
    recipes,
    unpad_sequences,
)

FOLDER = Path(__file__).parents[1] / "docs" / "kinds" / "pictures"
INK, ACCENT, SOFT = "#24303c", "#0b6e99", "#d9822b"
SHADES = colormaps["tab10"]

Matrix = NDArray[Any]


def digits() -> tuple[Matrix, Matrix]:
    """Return the 8 x 8 digits, brightness from 0 to 1, and their classes."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def one_of_each(y: Matrix) -> Matrix:
    """Return the number of the first row of each class."""
    return np.array([np.flatnonzero(y == label)[0] for label in np.unique(y)])


def images(rows: Sequence[tuple[str, Matrix]], shape: tuple[int, int] = (8, 8)) -> Figure:
    """Draw rows of images, each with a name at its left."""
    n_columns = len(rows[0][1])
    figure = Figure(figsize=(0.62 * n_columns + 1.3, 0.7 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    for axes_row, (name, pictures) in zip(grid, rows, strict=True):
        for axes, picture in zip(axes_row, pictures, strict=True):
            axes.imshow(picture.reshape(shape), cmap="gray_r", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color("#d5dbe1")
        axes_row[0].set_ylabel(name, rotation=0, ha="right", va="center", color=INK, fontsize=9)
    return figure


def scatter(axes: Axes, points: Matrix, y: Matrix, title: str) -> None:
    """Draw a point for each row, coloured by class; every third row, which is enough to see."""
    for label in np.unique(y):
        mine = points[::3][y[::3] == label]
        axes.scatter(mine[:, 0], mine[:, 1], s=7, alpha=0.75, color=SHADES(int(label)))
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    axes.set_xticks([])
    axes.set_yticks([])


def curves(lines: dict[str, tuple[Matrix, Matrix]], x: str, y: str) -> tuple[Figure, Axes]:
    """Draw named curves."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for (name, (horizontal, vertical)), color in zip(lines.items(), (SOFT, ACCENT), strict=False):
        axes.plot(horizontal, vertical, color=color, linewidth=2, label=name)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        axes.legend(frameon=False)
    return figure, axes


def basic() -> Figure:
    """Two linear components and two components of a deep autoencoder."""
    X, y = digits()
    deep = recipes.basic(2, architecture=(128, 32), scaling=None, max_epochs=60, random_state=0)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    scatter(left, PCA(2, random_state=0).fit_transform(X), y, "PCA")
    scatter(right, deep.fit_transform(X), y, "64-128-32-2-32-128-64")
    return figure


def sparse() -> Figure:
    """How often each unit is at work, without and with the penalty."""
    X, _ = digits()
    lines = {}
    for name, weight in (("weight=0", 0.0), ("rho=0.05", 1.0)):
        model = Autoencoder(
            100,
            architecture=Dense((), code_activation="sigmoid"),
            penalty=Sparsity(0.05, weight),
            scaling=None,
            max_epochs=60,
            random_state=0,
        )
        active = np.sort(model.fit_transform(X).mean(0))[::-1]
        lines[name] = (np.arange(1, 101), active)
    return curves(lines, "unit of the code, the busiest first", "mean activation")[0]


def contractive() -> Figure:
    """Rows moved along the manifold."""
    X, y = digits()
    model = Autoencoder(
        16,
        architecture=Dense((64,), activation="tanh"),
        penalty=Contraction(1e-2),
        scaling=None,
        max_epochs=100,
        random_state=0,
    ).fit(X)
    rows = X[one_of_each(y)]
    shown = [("row", rows)]
    for steps in (1, 2, 4, 8):
        moved = model.sample_contractive(rows, n_steps=steps, scale=0.4, random_state=0)
        shown.append((f"{steps} steps" if steps > 1 else "1 step", moved))
    return images(shown)


def denoising() -> Figure:
    """Digits with a third of their pixels hidden, and what comes back."""
    X, y = digits()
    model = recipes.denoising(
        32, probability=0.3, architecture=(128,), scaling=None, max_epochs=100, random_state=0
    ).fit(X)
    rows = X[one_of_each(y)]
    hidden = rows * (np.random.default_rng(0).random(rows.shape) > 0.3)
    return images([("row", rows), ("hidden", hidden), ("restored", model.reconstruct(hidden))])


def robust() -> Figure:
    """What is learned from rows with gross errors, by squared error and by correntropy."""
    X, y = digits()
    rng = np.random.default_rng(0)
    spoiled = np.where(rng.random(X.shape) < 0.1, rng.random(X.shape).round(), X)
    spoiled = spoiled.astype(np.float32)
    settings = {"architecture": (64,), "scaling": None, "max_epochs": 100, "random_state": 0}
    squared = recipes.basic(16, **settings).fit(spoiled)
    correntropy = recipes.robust(16, sigma=0.2, **settings).fit(spoiled)
    chosen = one_of_each(y)
    return images(
        [
            ("row", X[chosen]),
            ("spoiled", spoiled[chosen]),
            ("squared error", squared.reconstruct(spoiled[chosen])),
            ("correntropy", correntropy.reconstruct(spoiled[chosen])),
        ]
    )


def marginalized() -> Figure:
    """Digits with a third of their pixels hidden, restored by one linear map."""
    from narrows import MarginalizedDenoisingAutoencoder

    X, y = digits()
    model = MarginalizedDenoisingAutoencoder(1, probability=0.3, scaling="none").fit(X)
    rows = X[one_of_each(y)]
    hidden = rows * (np.random.default_rng(0).random(rows.shape) > 0.3)
    return images([("row", rows), ("hidden", hidden), ("restored", model.denoise(hidden))])


def stacked() -> Figure:
    """The loss through the phases of layer-wise training."""
    X, _ = digits()
    model = recipes.stacked(8, hidden=(128, 32), scaling=None, max_epochs=60, random_state=0).fit(X)
    loss = np.array([row["loss_per_feature"] for row in model.history_])
    phases = [row["phase"] for row in model.history_]
    figure = Figure(figsize=(6.5, 3), layout="constrained")
    axes = figure.subplots()
    for number, phase in enumerate(dict.fromkeys(phases)):
        epochs = np.flatnonzero([name == phase for name in phases])
        axes.plot(epochs + 1, loss[epochs], linewidth=2, color=SHADES(number), label=phase)
    axes.set_yscale("log")
    axes.set_xlabel("epoch, all phases in a row")
    axes.set_ylabel("loss per column")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def convolutional() -> Figure:
    """Digits and what 8 numbers give back of them."""
    X, y = digits()
    model = recipes.convolutional(
        8, input_shape=(8, 8), scaling=None, max_epochs=60, random_state=0
    ).fit(X)
    chosen = one_of_each(y)
    return images([("row", X[chosen]), ("8 numbers", model.reconstruct(X[chosen]))])


def adversarial() -> Figure:
    """Codes drawn towards a prior."""
    X, y = digits()
    model = recipes.adversarial(2, scaling=None, max_epochs=100, random_state=0)
    plain = recipes.basic(2, scaling=None, max_epochs=100, random_state=0)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    scatter(left, plain.fit_transform(X), y, "without a critic")
    scatter(right, model.fit_transform(X), y, "with a critic, standard normal prior")
    circle = np.linspace(0, 2 * np.pi, 100)
    for radius in (1, 2):
        right.plot(radius * np.cos(circle), radius * np.sin(circle), color=INK, linewidth=0.8)
    return figure


def variational() -> Figure:
    """The plane of codes, decoded."""
    X, _ = digits()
    model = recipes.variational(
        2,
        weight=0.2,
        architecture=(128,),
        loss=CrossEntropy(),
        scaling=None,
        max_epochs=100,
        random_state=0,
    ).fit(X)
    _, rows = model.latent_grid(12)
    side = rows.reshape(12, 12, 8, 8).transpose(0, 2, 1, 3).reshape(96, 96)
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(side, cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()
    return figure


def hashing() -> Figure:
    """Rows, and the nearest to each by 32 bits."""
    X, y = digits()
    model = Autoencoder(32, latent=BinaryCode(), scaling=None, max_epochs=60, random_state=0)
    bits = model.fit(X).hash(X)
    chosen = one_of_each(y)
    _, rows = hamming_search(bits, bits[chosen], n_neighbors=4)
    shown = [("row", X[chosen])]
    shown += [(f"{n}. nearest", X[rows[:, n]]) for n in (1, 2, 3)]
    return images(shown)


def lstm() -> Figure:
    """Waves of different length, and what six numbers give back of each."""
    rng = np.random.default_rng(0)
    waves = [
        np.sin(np.arange(rng.integers(15, 41)) * rng.uniform(0.2, 0.8) + rng.uniform(0, 6))
        for _ in range(600)
    ]
    X = pad_sequences(waves)
    model = recipes.lstm(
        6, hidden=(48,), scaling=None, optimizer="adam", max_epochs=80, random_state=0
    ).fit(X)
    again = unpad_sequences(model.reconstruct(X[:6]))
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for axes, wave, written in zip(grid, waves, again, strict=False):
        axes.plot(wave, color=INK, linewidth=1, marker=".", label="sequence")
        axes.plot(written[:, 0], color=SOFT, linewidth=2, label="from 6 numbers")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure


def supervised() -> Figure:
    """Held-out accuracy by the number of labels, with pre-training and without."""
    X, y = digits()
    train, test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    stack = Autoencoder(
        32,
        architecture=Dense((100, 64), activation="sigmoid", code_activation="sigmoid"),
        corruption=Masking(0.2),
        schedule=Layerwise(finetune=0),
        max_epochs=60,
        random_state=0,
    )
    frozen = FrozenEstimator(clone(stack).fit(train))
    sizes = np.array([50, 100, 200, 400, 800])

    def accuracy(autoencoder: Any, n_labels: int) -> float:
        scores = []
        for seed in range(5):
            rows = np.random.default_rng(seed).permutation(len(train))[:n_labels]
            model = AutoencoderClassifier(
                autoencoder, pretrain=False, max_epochs=60, random_state=seed
            )
            scores.append(model.fit(train[rows], y_train[rows]).score(test, y_test))
        return float(np.mean(scores))

    drawn = stack.set_params(random_state=None)
    lines = {
        "no pre-training": (sizes, np.array([accuracy(drawn, n) for n in sizes])),
        "pre-trained without labels": (sizes, np.array([accuracy(frozen, n) for n in sizes])),
    }
    figure, axes = curves(lines, "labels", "accuracy, mean of 5 seeds")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    return figure


def anomalies() -> Figure:
    """Errors of usual and of strange rows, and the threshold."""
    X, _ = digits()
    strange = np.random.default_rng(0).permuted(X[:150], axis=1)
    model = AnomalyDetector(Autoencoder(8, scaling=None, max_epochs=60), random_state=0)
    model.fit(X[150:1000])
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    axes = figure.subplots()
    groups = (("usual rows, not seen in fit", X[1000:], ACCENT), ("pixels shuffled", strange, SOFT))
    bins = np.linspace(0, 12, 60)
    for name, rows, color in groups:
        errors = -model.score_samples(rows)
        axes.hist(errors, bins, density=True, alpha=0.75, color=color, label=name)
    axes.axvline(-model.offset_, color=INK, linewidth=1, linestyle="--", label="threshold")
    axes.set_xlabel("error of a row")
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    function.__name__: function
    for function in (
        basic,
        sparse,
        contractive,
        denoising,
        robust,
        marginalized,
        stacked,
        convolutional,
        adversarial,
        variational,
        hashing,
        lstm,
        supervised,
        anomalies,
    )
}


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or PICTURES:
        figure = PICTURES[name]()
        with rc_context({"svg.hashsalt": "narrows", "svg.fonttype": "path", "font.size": 9}):
            figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
        print(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
