"""Workloads: the tables that are fitted and what is fitted to them, alike for every contender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHARED = Path(__file__).parents[3] / "shared" / "data"
Table = NDArray[np.float32]


@dataclass(frozen=True)
class Workload:
    """A table and a symmetric network: Adam at 1e-3 on squared errors, no scaling, no noise.

    ``kind`` says which network: "dense" with hidden layers and a code of ``widths``, "views" with
    such a hidden layer for each view, "images" with channels of ``widths[:-1]``, "sequences" with
    LSTM layers, "variational" and "contractive" as "dense".
    """

    name: str
    text: str
    table: Callable[[], Table]
    widths: tuple[int, ...]  # from the first hidden layer to the code
    output: str
    batch_size: int
    epochs: int
    kind: str = "dense"
    views: tuple[int, ...] = ()  # widths of the views, side by side in the table
    shape: tuple[int, ...] = ()  # of what a row holds: (height, width) or (steps, channels)


SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1))  # down and right, of the images


def images() -> Table:
    """Return 60,000 x 784 in [0, 1], all different, or curved without the shared digits.

    The 10,000 digits as they are, then moved by a pixel in five ways.
    """
    path = SHARED / "mnist20k.npz"
    if not path.exists():
        return shades(curved(60_000, 784))
    stored = np.load(path)["train_images"].reshape(-1, 28, 28).astype(np.float32) / 255
    moved = [np.roll(stored, shift, (1, 2)).reshape(-1, 784) for shift in SHIFTS]
    return np.concatenate(moved)


def held_out() -> Table:
    """Return the shared digits' test images in [0, 1], or more of what `images` gives."""
    path = SHARED / "mnist20k.npz"
    if not path.exists():
        return shades(curved(62_000, 784))[60_000:]
    return np.load(path)["test_images"].reshape(-1, 784).astype(np.float32) / 255


def some_images() -> Table:
    """Return 10,000 of the images."""
    return images()[:10_000]


def small() -> Table:
    """Return the 569 x 30 breast-cancer table, standardised."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(load_breast_cancer().data).astype(np.float32)


def long() -> Table:
    """Return 200,000 x 50 of `curved`."""
    return curved(200_000, 50)


def curved(n_rows: int, n_columns: int, n_hidden: int = 8) -> Table:
    """Return some hidden variables, bent into many columns, and noise."""
    generator = np.random.default_rng(0)
    hidden = generator.standard_normal((n_rows, n_hidden), dtype=np.float32)
    weight = generator.standard_normal((n_hidden, n_columns), dtype=np.float32)
    noise = 0.1 * generator.standard_normal((n_rows, n_columns), dtype=np.float32)
    return (np.tanh(hidden @ weight) + noise).astype(np.float32)


def shades(table: Table) -> Table:
    """Return numbers about -1 to 1 as numbers in [0, 1]."""
    return np.clip(table / 2 + 0.5, 0, 1)


MFEAT = ("fou", "fac", "kar", "pix", "zer", "mor")
MFEAT_WIDTHS = (76, 216, 64, 240, 47, 6)


def numerals() -> Table:
    """Return the 2,000 x 649 of the six views of mfeat, standardised, or curved without them."""
    path = SHARED / "mfeat.npz"
    if not path.exists():
        return curved(2000, sum(MFEAT_WIDTHS))
    from sklearn.preprocessing import StandardScaler

    stored = np.load(path)
    X = np.concatenate([stored[name] for name in MFEAT], 1)
    return StandardScaler().fit_transform(X).astype(np.float32)


def digits() -> Table:
    """Return scikit-learn's 1,797 digits of 8 x 8 in [0, 1]."""
    from sklearn.datasets import load_digits

    return (load_digits().data / 16).astype(np.float32)


STEPS, CHANNELS = 50, 8


def waves() -> Table:
    """Return 10,000 sequences of 50 steps and 8 channels: two waves, mixed, and noise."""
    generator = np.random.default_rng(0)
    n_rows = 10_000
    rate = generator.uniform(0.1, 0.5, (n_rows, 2, 1))
    phase = generator.uniform(0, 2 * np.pi, (n_rows, 2, 1))
    wave = np.sin(rate * np.arange(STEPS) + phase).transpose(0, 2, 1)  # (rows, steps, waves)
    mixed = wave @ generator.standard_normal((2, CHANNELS))
    noise = 0.1 * generator.standard_normal(mixed.shape)
    return (mixed + noise).reshape(n_rows, -1).astype(np.float32)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "W1",
            "60,000 x 784, 784-256-32-256-784, batch 256, 2 epochs",
            images,
            (256, 32),
            "sigmoid",
            256,
            2,
        ),
        Workload(
            "W2",
            "10,000 x 784, 784-1000-500-250-30 and back, batch 256, 1 epoch",
            some_images,
            (1000, 500, 250, 30),
            "sigmoid",
            256,
            1,
        ),
        Workload(
            "W3",
            "569 x 30, 30-16-2-16-30, batch 32, 100 epochs",
            small,
            (16, 2),
            "linear",
            32,
            100,
        ),
        Workload(
            "W4",
            "200,000 x 50, 50-32-8-32-50, batch 256, 2 epochs",
            long,
            (32, 8),
            "linear",
            256,
            2,
        ),
        Workload(
            "W5",
            "2,000 x 649, six views, 64 units each, a code of 16, batch 64, 10 epochs",
            numerals,
            (64, 16),
            "linear",
            64,
            10,
            kind="views",
            views=MFEAT_WIDTHS,
        ),
        Workload(
            "W6",
            "convolutional, 1,797 x 1 x 8 x 8, 16 and 32 channels, code 8, batch 64, 20 epochs",
            digits,
            (16, 32, 8),
            "sigmoid",
            64,
            20,
            kind="images",
            shape=(8, 8),
        ),
        Workload(
            "W7",
            "LSTM, 10,000 x 50 steps x 8, 64 units, code 16, batch 256, 1 epoch",
            waves,
            (64, 16),
            "linear",
            256,
            1,
            kind="sequences",
            shape=(STEPS, CHANNELS),
        ),
        Workload(
            "W8",
            "variational, 60,000 x 784, 784-256-32-256-784, batch 256, 2 epochs",
            images,
            (256, 32),
            "sigmoid",
            256,
            2,
            kind="variational",
        ),
        Workload(
            "W9",
            "contractive, 60,000 x 784, 784-256-32-256-784, batch 256, 1 epoch",
            images,
            (256, 32),
            "sigmoid",
            256,
            1,
            kind="contractive",
        ),
    )
}
