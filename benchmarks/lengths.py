"""How long recurrent and convolutional networks are trained by default, and what more is worth.

What is lost of held-out series and images by fits of a quarter, half and twice as many epochs as
by default, of recurrent ones in one course of their pace as well, and by PCA; waves of drawn
frequency, random walks, autoregressive series, digits read row by row, and pieces of photographs.
The tables of docs/kinds/lstm.md and docs/kinds/convolutional.md are what
``python benchmarks/lengths.py --write`` prints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import PCA

from narrows import Autoencoder, recipes
from narrows.metrics import unexplained
from narrows.training.budget import one_course
from pages import print_part

KINDS = Path(__file__).parents[1] / "docs" / "kinds"
SHAPE = 30, 3
N_HELD_OUT = 400
N_COMPONENTS = 8
SHARES = 0.25, 0.5, 1.0, 2.0  # of the epochs by default

Data = NDArray[Any]


def waves(rng: np.random.Generator, n: int) -> Data:
    """Return sines of drawn frequency, phase and height, with noise."""
    rate, start, height = (rng.uniform(*b, (n, 1, 3)) for b in ((0.2, 1.0), (0, 6), (0.5, 2)))
    steps = np.arange(SHAPE[0])[None, :, None]
    return height * np.sin(rate * steps + start) + 0.1 * rng.normal(size=(n, *SHAPE))


def walks(rng: np.random.Generator, n: int) -> Data:
    """Return random walks."""
    return rng.normal(size=(n, *SHAPE)).cumsum(1)


def autoregressive(rng: np.random.Generator, n: int) -> Data:
    """Return series of 60 steps, each of which remembers a drawn share of the one before."""
    series, memory = rng.normal(size=(n, 60, 1)), rng.uniform(0.5, 0.98, (n, 1))
    for step in range(1, 60):
        series[:, step] += memory * series[:, step - 1]
    return series


def digits(rng: np.random.Generator, n: int) -> Data:
    """Return digits of 8 x 8."""
    images: Data = load_digits().images / 16
    return images[rng.permutation(len(images))[:n]]


def pieces(name: str, size: int, *, grey: bool) -> Callable[[np.random.Generator, int], Data]:
    """Return what gives square pieces of a photograph."""

    def some(rng: np.random.Generator, n: int) -> Data:
        image = load_sample_image(name) / 255
        high, wide = (length // size for length in image.shape[:2])
        cut = image[: high * size, : wide * size].reshape(high, size, wide, size, 3)
        cut = cut.transpose(0, 2, 4, 1, 3).reshape(-1, 3, size, size)
        cut = cut[rng.permutation(len(cut))[:n]]
        return cut.mean(1) if grey else cut

    return some


SERIES = {
    "1,500 waves, 30 steps of 3": (waves, 1500),
    "200 waves": (waves, 200),
    "1,500 walks, 30 steps of 3": (walks, 1500),
    "1,000 autoregressive, 60 steps": (autoregressive, 1000),
    "1,397 digits, row by row": (digits, 1397),
}
IMAGES = {
    "1,397 digits, 8 x 8": (digits, 1397),
    "300 digits": (digits, 300),
    "600 pieces, 16 x 16": (pieces("china.jpg", 16, grey=True), 600),
    "1,400 pieces, 3 x 12 x 12": (pieces("flower.jpg", 12, grey=False), 1400),
}


def flat(rows: Data) -> Data:
    """Return each row as a row of numbers."""
    return rows.reshape(len(rows), -1)


def lost(test: Data, back: Data) -> float:
    """Return the share of the variance of held-out rows that is lost."""
    return unexplained(flat(test), flat(back), center=flat(test).mean(0))


def fit(make: Callable[..., Autoencoder], train: Data, epochs: Any) -> tuple[Autoencoder, float]:
    """Return a fitted model and how long it took."""
    started = time.perf_counter()
    model = make(N_COMPONENTS, max_epochs=epochs, random_state=0).fit(train)
    return model, time.perf_counter() - started


def in_words(test: Data, model: Autoencoder, seconds: float) -> str:
    """Return what a model loses of held-out rows, and how long its fit took."""
    return f"{lost(test, model.reconstruct(test)):.3f} ({seconds:.1f} s)"


def rows(
    make: Callable[..., Autoencoder], tables: dict[str, Any], *, in_rounds: bool
) -> Iterator[str]:
    """Yield the table of a page; of what goes ``in_rounds``, one course of the pace as well."""
    heads = ["PCA", *(["one course of the pace"] if in_rounds else [])]
    heads += [f"{share:g} x the epochs" if share != 1 else "**by default**" for share in SHARES]
    yield f"| rows | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * len(heads)
    for name, (of, n_rows) in tables.items():
        rng = np.random.default_rng(0)
        both = of(rng, n_rows + N_HELD_OUT)
        train, test = both[:n_rows], both[n_rows:]
        pca = PCA(N_COMPONENTS, random_state=0).fit(flat(train))
        cells = [f"{lost(test, pca.inverse_transform(pca.transform(flat(test)))):.3f}"]
        if in_rounds:
            with one_course():
                cells.append(in_words(test, *fit(make, train, "auto")))
        usual = fit(make, train, "auto")
        for share in SHARES:
            epochs = max(1, round(share * usual[0].n_iter_))
            model, seconds = usual if share == 1 else fit(make, train, epochs)
            cells.append(in_words(test, model, seconds))
        yield f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print_part(__doc__, KINDS / "lstm.md", "lengths", rows(recipes.lstm, SERIES, in_rounds=True))
    images = rows(recipes.convolutional, IMAGES, in_rounds=False)
    print_part(__doc__, KINDS / "convolutional.md", "lengths", images)
