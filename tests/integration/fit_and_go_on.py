"""What a process of a test runs, and another one goes on with: a fit that keeps its state.

python fit_and_go_on.py FOLDER KIND writes a digest of the weights.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

from narrows import Autoencoder, Checkpoint, Decomposition, open_source, recipes

MODELS: dict[str, Any] = {
    "basic": recipes.basic,
    "tied": recipes.tied,
    "stacked": lambda k, **own: recipes.stacked(k, hidden=(16,), **own),
    "sparse": recipes.sparse,
    "contractive": recipes.contractive,
    "denoising": recipes.denoising,
    "robust": lambda k, **own: Autoencoder(k, schedule=Decomposition(), **own),
    "convolutional": lambda k, **own: recipes.convolutional(k, channels=(4,), **own),
    "lstm": lambda k, **own: recipes.lstm(k, hidden=(8,), **own),
    "adversarial": recipes.adversarial,
    "variational": recipes.variational,
    "a source": lambda k, **own: recipes.stacked(k, hidden=(16,), **own),
}
SHAPES = {"convolutional": (1, 8, 8), "lstm": (8, 8)}
# Epochs that take a second or more, so that a fit can be killed.
EPOCHS = {"stacked": 800, "robust": 1000, "convolutional": 200, "lstm": 60, "adversarial": 80}
EPOCHS |= {"contractive": 160, "a source": 90}


def main(folder: Path, kind: str) -> None:
    """Make the fit of this kind, or go on with it."""
    warnings.simplefilter("ignore")
    settings: dict[str, Any] = {"max_epochs": EPOCHS.get(kind, 240), "random_state": 0}
    if kind in SHAPES:
        settings["input_shape"] = SHAPES[kind]
    rows: Any = load_digits().data[:600].astype("float32")
    if kind == "a source":
        rows = open_source(rows, memory="80KiB")
    model = MODELS[kind](3, **settings)
    model.fit(rows, checkpoint=Checkpoint(folder, every="0.02s"))
    digest = hashlib.sha256()
    for values in model.network_.state_dict().values():
        digest.update(values.numpy().tobytes())
    sys.stdout.write(digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
