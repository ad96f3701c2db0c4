"""How long recurrent layers are trained by default, and what more epochs are worth.

1,500 series of 30 steps and 3 channels, and 400 held out: waves of drawn frequency, and random
walks. The table of docs/kinds/lstm.md is what ``python benchmarks/recurrent.py --write`` prints.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from narrows import recipes
from narrows.metrics import unexplained
from pages import print_part

PAGE = Path(__file__).parent.parent / "docs" / "kinds" / "lstm.md"
SHAPE = 30, 3
LENGTHS = "auto", 40, 80, 160


def waves(rng: np.random.Generator, n: int) -> NDArray[Any]:
    """Return sines of drawn frequency, phase and height, with noise."""
    rate, start, height = (rng.uniform(*b, (n, 1, 3)) for b in ((0.2, 1.0), (0, 6), (0.5, 2)))
    steps = np.arange(SHAPE[0])[None, :, None]
    return height * np.sin(rate * steps + start) + 0.1 * rng.normal(size=(n, *SHAPE))


def walks(rng: np.random.Generator, n: int) -> NDArray[Any]:
    """Return random walks."""
    return rng.normal(size=(n, *SHAPE)).cumsum(1)


def lost(test: NDArray[Any], back: NDArray[Any]) -> float:
    """Return the share of the variance of held-out series that is lost."""
    flat = test.reshape(len(test), -1)
    return unexplained(flat, back.reshape(len(test), -1), center=flat.mean(0))


def rows() -> Iterator[str]:
    """Yield the table of the page."""
    yield "| series | method | epochs | seconds | lost of held-out series |"
    yield "|---|---|---|---|---|"
    for make in (waves, walks):
        rng = np.random.default_rng(0)
        train, test = make(rng, 1500), make(rng, 400)
        pca = PCA(8, random_state=0).fit(train.reshape(1500, -1))
        back = pca.inverse_transform(pca.transform(test.reshape(400, -1)))
        yield f"| {make.__name__} | PCA | | | {lost(test, back):.3f} |"
        for epochs in LENGTHS:
            started = time.perf_counter()
            model = recipes.lstm(8, max_epochs=epochs, random_state=0).fit(train)
            seconds = time.perf_counter() - started
            back = model.reconstruct(test)
            name = f"{model.n_iter_}" + " (the default)" * (epochs == "auto")
            yield f"| {make.__name__} | LSTM | {name} | {seconds:.1f} | {lost(test, back):.3f} |"


if __name__ == "__main__":
    print_part(__doc__, PAGE, "lengths", rows())
