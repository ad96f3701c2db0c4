"""Models as ONNX files: how exact they are, how large, and how fast for one row.

make bench-export    prints the table, and writes it to docs/export.md
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits

from narrows import Autoencoder, Categorical, Count, ProductOfExperts, Recurrent, recipes
from pages import replace_part

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
CALLS = 400
TARGET = 5.0  # times the speed of transform, for one row
SHORT: dict[str, Any] = {"max_epochs": 3, "random_state": 0}
VIEWS = {"top": range(32), "bottom": range(32, 64)}
EVERY = ("encode", "reconstruct", "score", "impute")
KINDS: dict[str, Callable[[], Autoencoder]] = {
    "basic": lambda: recipes.basic(8, **SHORT),
    "tied": lambda: recipes.tied(8, **SHORT),
    "stacked": lambda: recipes.stacked(8, **SHORT),
    "sparse": lambda: recipes.sparse(64, **SHORT),
    "k-sparse": lambda: recipes.k_sparse(100, **SHORT),
    "contractive": lambda: recipes.contractive(8, **SHORT),
    "denoising": lambda: recipes.denoising(8, **SHORT),
    "robust": lambda: recipes.robust(8, **SHORT),
    "convolutional": lambda: recipes.convolutional(8, input_shape=(1, 8, 8), **SHORT),
    "LSTM": lambda: recipes.lstm(8, input_shape=(8, 8), **SHORT),
    "GRU, both ways": lambda: Autoencoder(
        8, architecture=Recurrent((8, 8), hidden=(32,), unit="gru", bidirectional=True), **SHORT
    ),
    "adversarial": lambda: recipes.adversarial(8, **SHORT),
    "variational": lambda: recipes.variational(8, **SHORT),
    "views": lambda: Autoencoder(8, views=VIEWS, **SHORT),
    "views, product of experts": lambda: Autoencoder(
        8, views=VIEWS, fusion=ProductOfExperts(), latent="gaussian", **SHORT
    ),
    "types": lambda: Autoencoder(
        8,
        types={1: "binary", 2: "count", 3: Categorical(), 4: Count("negative_binomial")},
        add_indicator=True,
        **SHORT,
    ),
}


def table_of(kind: str) -> np.ndarray[Any, Any]:
    """Return the digits, 64 columns; some columns of types that are not plain numbers."""
    X = load_digits().data.astype(np.float32)
    if kind == "types":
        X[:, 1] = X[:, 10] > 8
        X[:, 3] = X[:, 11] // 6
    return X


def fastest(call: Callable[[], Any]) -> float:
    """Return the microseconds of the fastest of many calls."""
    call()
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return 1e6 * min(seconds)


def row_of(kind: str, folder: Path) -> list[str]:
    """Return the cells of a kind: with complete rows and with holes."""
    X = table_of(kind)
    holes = X.copy()
    holes[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    worst: dict[str, float] = {}
    seconds, size = 0.0, 0
    for table in (X, holes):
        model = KINDS[kind]().fit(table)
        for outputs in (EVERY, ("decode",)):
            started = time.perf_counter()
            written = model.export_onnx(folder / "model.onnx", outputs=outputs)
            seconds = max(seconds, time.perf_counter() - started)
            size = max(size, written["bytes"])
            for name, apart in written["differences"].items():
                worst[name] = max(worst.get(name, 0.0), apart)
    model = KINDS[kind]().fit(X)
    model.export_onnx(folder / "model.onnx", outputs="encode")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    row = X[:1].copy()
    by_file = fastest(lambda: session.run(None, {"rows": row}))
    by_model = fastest(lambda: model.transform(row))
    cells = [f"{worst[name]:.0e}" for name in (*EVERY, "decode")]
    verdict = "reached" if by_model / by_file >= TARGET else "missed"
    return [
        kind,
        *cells,
        f"{size / 1e3:,.0f}",
        f"{seconds:.1f}",
        f"{by_file:.0f}",
        f"{by_model:.0f}",
        f"{by_model / by_file:.1f}: {verdict}",
    ]


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    heads = ["kind", *EVERY, "decode", "kB", "export, s", "one row, us", "transform, us", "speed"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    with tempfile.TemporaryDirectory() as place:
        for kind in KINDS:
            lines.append(f"| {' | '.join(row_of(kind, Path(place)))} |")
            print(lines[-1], flush=True)
    replace_part(PAGE, "files", lines)


if __name__ == "__main__":
    main()
