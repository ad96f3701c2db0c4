"""Data: the digits the published figures are of, as far as they lie beside the repository."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
DIGITS = ROOT.parent / "shared" / "data" / "mnist20k.npz"
Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]


class AbsentError(Exception):
    """The data of an experiment are not on this machine."""


@dataclass(frozen=True)
class Digits:
    """MNIST (LeCun, Cortes, Burges): images of shape (10000, 784) in [0, 1], and their labels."""

    train: Matrix
    train_labels: Labels
    test: Matrix
    test_labels: Labels

    def split(self, n_validation: int = 2000) -> tuple[Digits, Digits]:
        """Return the training images with their last ``n_validation`` as test images, and self."""
        cut = len(self.train) - n_validation
        part = Digits(
            self.train[:cut], self.train_labels[:cut], self.train[cut:], self.train_labels[cut:]
        )
        return part, self


@cache
def digits() -> Digits:
    """Return 10,000 training images in a fixed random order, and the 10,000 test images.

    Raises
    ------
    AbsentError
        If the file is not there.
    """
    if not DIGITS.exists():
        raise AbsentError(f"{DIGITS} is absent; it holds the MNIST digits")
    with np.load(DIGITS) as file:
        # The file has the training images sorted by class.
        order = np.random.default_rng(0).permutation(len(file["train_labels"]))
        return Digits(
            scaled(file["train_images"][order]),
            file["train_labels"][order].astype(np.int64),
            scaled(file["test_images"]),
            file["test_labels"].astype(np.int64),
        )


def scaled(images: NDArray[np.uint8]) -> Matrix:
    """Return images with 255 as 1."""
    return (images / 255).astype(np.float32)
