"""Make a golden model folder, which every later version must load: run once for a new schema.

``python tests/data/golden/make.py autoencoder-1.0`` refuses to replace what is there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

from narrows import Autoencoder, Dense, Masking, WeightDecay

HERE = Path(__file__).parent


def main(name: str) -> None:
    """Fit a small model that uses much of the format, and keep what it says of some rows."""
    if (HERE / name).exists():
        sys.exit(f"{name} is there already; a golden model is never made again")
    table = load_iris(as_frame=True).data
    model = Autoencoder(
        2,
        architecture=Dense((6, 4), activation=("tanh", "elu"), tied=True),
        loss="huber",
        penalty=WeightDecay(1e-4) + WeightDecay(1e-5),
        corruption=Masking(0.1),
        precision="float64",
        max_epochs=20,
        random_state=0,
    ).fit(table)
    rows = table.iloc[::10]
    code = model.transform(rows)
    np.savez(
        HERE / f"{name}.npz",
        rows=rows.to_numpy(),
        transform=code,
        inverse_transform=model.inverse_transform(code),
        reconstruct=model.reconstruct(rows),
        score_samples=model.score_samples(rows),
    )
    model.save(HERE / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
