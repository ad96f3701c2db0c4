"""What the processes of a test run: fits in turn, whose weights each process keeps in a file.

python fit_together.py FOLDER NAME ...
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

import narrows
from narrows import (
    Autoencoder,
    AutoencoderClassifier,
    Checkpoint,
    GaussianNoise,
    Layerwise,
    Masking,
    Penalty,
    recipes,
)

OWN = {"max_epochs": 3, "random_state": 0, "precision": "float64", "init": "random"}
MEMORY = 1 << 16  # of a source of 3,000 rows of 6 columns a window takes some

EXACT: dict[str, Any] = {  # what is the same in any number of processes, but for rounding
    "basic": Autoencoder(3, **OWN),
    "tied": recipes.tied(3).set_params(**OWN),
    "sparse": recipes.sparse(3).set_params(**OWN),
    "contractive": recipes.contractive(3).set_params(**OWN),
    "clipped": Autoencoder(3, max_grad_norm=0.1, **OWN),
    "early stopping": Autoencoder(3, early_stopping=True, **OWN),
    "layer by layer": Autoencoder(3, architecture=(8,), schedule=Layerwise(), **OWN),
    "views": Autoencoder(3, views={"a": [0, 1], "b": [2, 3, 4, 5]}, corruption=None, **OWN),
    "types": Autoencoder(3, types={5: "ordinal"}, **OWN),
    "convolutional": Autoencoder(3, architecture=narrows.Convolutional((6,), (4,)), **OWN),
    "small batches": Autoencoder(3, batch_size=1, **{**OWN, "max_epochs": 1}),
}
DRAWN: dict[str, Any] = {  # what draws, each process for its own rows
    "noise": Autoencoder(3, corruption=GaussianNoise(0.1) + Masking(0.1), **OWN),
    "variational": recipes.variational(3).set_params(**OWN),
    "adversarial": recipes.adversarial(3).set_params(**OWN),
    "no seed": Autoencoder(3, max_epochs=2),
}
HEADED = AutoencoderClassifier(
    Autoencoder(3, **OWN), max_epochs=3, random_state=0, learning_rate=1e-3
)


class Rows(Penalty):
    """Writes down which rows each step is made with: column 0 has their numbers."""

    per_layer = False
    in_parts = True

    def __init__(self, folder: str = "", n_rows: int = 1, weight: float = 1.0) -> None:
        self.folder, self.n_rows, self.weight = folder, n_rows, weight

    def __call__(self, forward: Any) -> Any:
        """Append the progress of training, and the rows, to a file of the process."""
        own = os.environ.get("RANK", "0"), os.getpid()
        if forward.generator is not None and forward.network.training:
            numbers = (forward.x[:, 0] * self.n_rows).round().int().tolist()
            if forward.pool is not None and not forward.pool.n_rows:
                numbers = []  # one stands in where there are none
            with Path(self.folder, "-".join(map(str, own))).open("a") as stream:
                stream.write(f"{forward.progress!r} {numbers}\n")
            time.sleep(float(os.environ.get("PAUSE", "0")))
        return forward.code.sum() * 0.0


def table() -> np.ndarray:
    """Return 600 rows: curved, with holes in a column, whole numbers in the last."""
    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(600, 2))
    rows = np.tanh(hidden @ generator.normal(size=(2, 6)))
    rows[::9, 1] = np.nan
    rows[:, 5] = (rows[:, 5] * 3).round()
    return rows


def weights(model: Any) -> np.ndarray:
    """Return all weights of a model, those of a head last."""
    networks = (
        [model.encoder_.network_, model.head_] if hasattr(model, "head_") else [model.network_]
    )
    states = [value for network in networks for value in network.state_dict().values()]
    parts = [value.reshape(-1) for value in states]
    return torch.cat([part.double() for part in parts]).numpy()


def fit(name: str, folder: Path) -> np.ndarray:
    """Return the weights of a fit of that name."""
    kind, _, where = name.partition(" of ")
    rows: Any = table()
    if kind == "classifier":
        return weights(HEADED.fit(rows, rows[:, 0] > 0))
    model = {**EXACT, **DRAWN}[kind]
    if kind in ("convolutional", "types"):
        rows = np.nan_to_num(rows)
    if where == "a source":
        rows = narrows.open_source(folder / "data", memory=MEMORY)
    weight = None if where else np.arange(600) % 3 + 0.5
    return weights(model.fit(rows, sample_weight=weight))


def differ(group: Any) -> str:
    """Return what is said where one process has other data."""
    try:
        Autoencoder(2, random_state=0).fit(table()[group.rank % 2 :])
    except narrows.errors.ProcessGroupError as error:
        return str(error)
    return "nothing"


def slow() -> str:
    """Return what is said of steps that are shorter than an exchange."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", narrows.errors.ExchangeWarning)
        Autoencoder(2, architecture=(4,), batch_size=8, **OWN).fit(table())
    messages = [str(w.message) for w in caught if w.category is narrows.errors.ExchangeWarning]
    assert len(messages) == 1
    return messages[0]


def kept(folder: Path) -> np.ndarray:
    """Fit from a source, writing down the rows of each step, and keep the state all the time."""
    penalty = Rows(str(folder / "rows"), 3000)
    model = Autoencoder(
        3, penalty=penalty, scaling="none", batch_size=64, **{**OWN, "max_epochs": 4}
    )
    source = narrows.open_source(folder / "data", memory=MEMORY)
    return weights(model.fit(source, checkpoint=Checkpoint(folder / "state", every=0)))


def main(folder: Path, names: list[str]) -> None:
    """Make the fits that are named."""
    warnings.simplefilter("ignore")
    with narrows.distributed(timeout=float(os.environ.get("TIMEOUT", "60"))) as group:
        for name in names:
            if name in ("differ", "slow"):
                group.is_slow = False
                text = slow() if name == "slow" else differ(group)
                (folder / f"{name}-{group.rank}").write_text(text)
                continue
            result = kept(folder) if name == "kept" else fit(name, folder)
            np.save(folder / f"{name}-{group.size}-{group.rank}.npy", result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
