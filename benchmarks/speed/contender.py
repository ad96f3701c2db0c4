"""Contender: one timing in a process of its own, printed as a line of JSON; see rounds.py."""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from speed.one_row import one_row
from speed.processors import confine
from speed.workloads import WORKLOADS, Table, Workload

Found = dict[str, Any]
HOLES = 0.1  # of the cells, where holes are filled
JUDGED = 4096  # rows whose reconstructions say whether a contender has learned


class Fitted(Protocol):
    """What can be timed: it trains, goes on or anew, and then gives rows back."""

    reconstruct: Callable[[Table], Table] | None

    def fit(self, X: Table, epochs: int) -> float:
        """Train and return the seconds it took."""


@dataclass(frozen=True)
class Contender:
    """One way to fit a workload.

    ``find`` imports and returns what is made of a workload and a number of columns; ``needs`` are
    the distributions that the environment may lack.
    """

    title: str
    find: Callable[[], Callable[[Workload, int], Fitted]]
    needs: tuple[str, ...] = ()
    library: bool = False  # whether it is another library


def _loop(name: str) -> Callable[[], Any]:
    def find() -> Any:
        from speed import loops

        return getattr(loops, name)

    return find


def _ours(**settings: str) -> Callable[[], Any]:
    def find() -> Any:
        from speed.ours import Narrows

        return functools.partial(Narrows, **settings)

    return find


def _peer(name: str, **settings: str) -> Callable[[], Any]:
    def find() -> Any:
        from speed import peers

        return functools.partial(getattr(peers, name), **settings)

    return find


CONTENDERS = {
    "hand": Contender("by hand", _loop("Loop")),
    "compiled": Contender("by hand, torch.compile", _loop("Compiled")),
    "floor": Contender("the matrix products alone", _loop("Products")),
    "narrows": Contender("narrows", _ours()),
    "narrows-float32": Contender("narrows, float32", _ours(precision="float32")),
    "scikit-learn": Contender("scikit-learn", _peer("ScikitLearn"), ("scikit-learn",), True),
    "skorch": Contender("skorch", _peer("Skorch"), ("skorch",), True),
    "pythae": Contender("pythae", _peer("Pythae"), ("pythae",), True),
    "pyod": Contender("PyOD", _peer("PyOD"), ("pyod",), True),
    "keras-torch": Contender("Keras on torch", _peer("Keras", backend="torch"), ("keras",), True),
    "keras-jax": Contender("Keras on JAX", _peer("Keras", backend="jax"), ("keras", "jax"), True),
}


def fit(name: str, workload: Workload) -> Found:
    """Warm up on a few rows, with a last batch as long as the real one, then fit the table."""
    contender = CONTENDERS[name]
    absent = [library for library in contender.needs if version(library) is None]
    if absent:
        return {"absent": f"{' and '.join(absent)} not installed"}
    make = contender.find()
    X = workload.table()
    size = workload.batch_size
    made = make(workload, X.shape[1])
    few = np.ascontiguousarray(X[: 4 * size + len(X) % size])
    started = time.perf_counter()
    made.fit(few, 1)
    first = time.perf_counter() - started
    seconds = made.fit(X, workload.epochs)
    found = {
        "seconds": seconds,
        "first": first,
        "rows": len(X) * workload.epochs,
        "versions": {library: version(library) for library in contender.needs},
    }
    if hasattr(made, "training"):
        found["training"] = made.training
    if made.reconstruct is not None:
        rows = X[:: max(1, len(X) // JUDGED)]
        found["error"] = float(np.square(made.reconstruct(rows) - rows).mean())
    return found


def version(library: str) -> str | None:
    """Return the installed version of a distribution."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def start(name: str, workload: Workload) -> Found:
    """Time a fit from the start of the process, so without a warm-up."""
    import psutil

    X = workload.table()
    CONTENDERS[name].find()(workload, X.shape[1]).fit(X, workload.epochs)
    return {"seconds": time.time() - psutil.Process().create_time()}


def transform(name: str, workload: Workload) -> Found:
    """Time the encoder over the table: in blocks of 8,192 rows by hand, or by `transform`."""
    return _applied(
        name, workload, workload.table(), "transform", lambda network, x: network.encoder(x)
    )


def score(name: str, workload: Workload) -> Found:
    """Time the errors of the rows: in blocks of 8,192 rows by hand, or by `score_samples`."""

    def errors(network: Any, x: Any) -> Any:
        return (network(x) - x).square().mean(1)

    return _applied(name, workload, workload.table(), "score_samples", errors)


def impute(name: str, workload: Workload) -> Found:
    """Time filling a tenth of the cells: by hand, with what the network says of means there."""
    X = workload.table().copy()
    X[np.random.default_rng(0).random(X.shape, dtype=np.float32) < HOLES] = np.nan

    def filled(network: Any, x: Any) -> Any:
        return network(x.nan_to_num()).where(x.isnan(), x)

    return _applied(name, workload, X, "impute", filled)


def _applied(
    name: str, workload: Workload, X: Table, method: str, by_network: Callable[[Any, Any], Any]
) -> Found:
    """Time what a network that knows complete rows, or a method of ours, makes of a table."""
    import torch

    made = CONTENDERS[name].find()(workload, X.shape[1])
    made.fit(workload.table()[:16384], 1)

    @torch.inference_mode()
    def by_hand(X: Table) -> None:
        torch.cat([by_network(made.network, x) for x in torch.from_numpy(X).split(8192)])

    call = by_hand if name == "hand" else getattr(made.model, method)
    call(X[:8192])
    started = time.perf_counter()
    call(X)
    return {"seconds": time.perf_counter() - started}


def memory(name: str, workload: Workload) -> Found:
    """Return the MB that `fit` adds to the resident set at its highest, beyond its scaled copy."""
    import psutil

    from speed.ours import model

    X = workload.table()
    estimator = model(replace(workload, epochs=1)).set_params(scaling="standard")
    estimator.fit(X[:1024])
    process = psutil.Process()
    before = process.memory_info().rss
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    estimator.fit(X)
    done.set()
    watcher.join()
    return {"megabytes": (peak[0] - before - X.nbytes) / 1e6}


MEASURES = {
    measure.__name__: measure for measure in (fit, start, transform, score, impute, memory, one_row)
}


def main() -> None:
    """Print what one contender took."""
    parser = argparse.ArgumentParser(prog="speed.contender", description=__doc__)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    confine(given.threads)
    print(json.dumps(MEASURES[given.measure](given.contender, WORKLOADS[given.workload])))


if __name__ == "__main__":
    main()
