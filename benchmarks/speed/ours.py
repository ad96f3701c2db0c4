"""Ours: the workloads as narrows estimators."""

from __future__ import annotations

import itertools
import time
from typing import Any

from speed import networks
from speed.workloads import Table, Workload


def model(workload: Workload) -> Any:
    """Return an unfitted estimator."""
    from narrows import Adam, Autoencoder

    made = {"images": _images, "sequences": _sequences}.get(workload.kind, _dense)
    return Autoencoder(
        workload.widths[-1],
        **made(workload),
        **_terms(workload.kind),
        corruption=None,
        scaling=None,
        optimizer=Adam(),
        learning_rate=1e-3,
        batch_size=workload.batch_size,
        max_epochs=workload.epochs,
        init="random",  # as the others begin
        random_state=0,
    )


def _dense(workload: Workload) -> dict[str, Any]:
    from narrows import Dense

    ends = list(itertools.accumulate(workload.views, initial=0))
    views = {str(start): slice(start, end) for start, end in itertools.pairwise(ends)}
    return {
        "architecture": Dense(workload.widths[:-1], output_activation=workload.output),
        "views": views or None,
        "balance": "columns",
    }


def _images(workload: Workload) -> dict[str, Any]:
    from narrows import Convolutional

    channels, output = workload.widths[:-1], workload.output
    return {"architecture": Convolutional(workload.shape, channels, output_activation=output)}


def _sequences(workload: Workload) -> dict[str, Any]:
    from narrows import Recurrent

    return {"architecture": Recurrent(workload.shape, hidden=workload.widths[:-1])}


def _terms(kind: str) -> dict[str, Any]:
    from narrows import KL, Contraction, Gaussian

    if kind == "variational":
        penalty = KL(networks.KL, warm_up=0.0, free_bits=0.0)
        return {"latent": Gaussian(), "penalty": penalty}
    return {"penalty": Contraction(networks.CONTRACTION)} if kind == "contractive" else {}


class Narrows:
    """`Autoencoder.fit`, and ``training``, the seconds of its epochs."""

    def __init__(
        self, workload: Workload, n_features: int, precision: str = "auto", device: str = "cpu"
    ) -> None:
        self.model = model(workload).set_params(precision=precision, device=device)

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took."""
        self.model.set_params(max_epochs=epochs)
        started = time.perf_counter()
        self.model.fit(X)
        self.training = sum(row["seconds"] for row in self.model.history_)
        return time.perf_counter() - started

    def reconstruct(self, X: Table) -> Table:
        """Return the rows as the model gives them back."""
        found: Table = self.model.reconstruct(X)
        return found
