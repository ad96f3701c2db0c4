"""Isolation: what the user's process has set changes no result, and is as it was afterwards."""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import narrows
from lanes import few
from narrows import (
    MMD,
    AnomalyDetector,
    Autoencoder,
    AutoencoderClassifier,
    Contraction,
    Convolutional,
    MarginalizedDenoisingAutoencoder,
    Masking,
    Recurrent,
    compare,
)
from narrows.errors import DataError, InterruptedWarning, OvercompleteWarning

Setting = Callable[[], AbstractContextManager[Any]]


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def warned(action: Any) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        yield


SETTINGS: dict[str, Setting] = {
    "float64": lambda: default_dtype(torch.float64),
    "default device meta": lambda: default_device("meta"),
    "default device cpu": lambda: default_device("cpu"),
    "device meta": lambda: torch.device("meta"),
    "no grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": deterministic,
    "warnings are errors": lambda: warned("error"),
    "warnings are ignored": lambda: warned("ignore"),
    "numpy raises": lambda: np.errstate(all="raise"),
    "pandas displays": lambda: pd.option_context("display.max_columns", 1, "display.precision", 1),
}


def state() -> dict[str, Any]:
    """Return what a process may have set."""
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "numpy": np.random.get_state()[1].tobytes(),  # noqa: NPY002
        "errors": np.geterr(),
        "filters": list(warnings.filters),
        "columns": pd.get_option("display.max_columns"),
        "signal": signal.getsignal(signal.SIGINT),
    }


def table(*, holes: bool = False) -> Any:
    x = np.random.default_rng(0).normal(size=(40, 4)) @ np.triu(np.ones((4, 4)))
    if holes:
        x[::5, 1] = np.nan
    return x


def frame() -> pd.DataFrame:
    found = pd.DataFrame(table(holes=True), columns=list("abcd"))
    found["e"] = pd.Categorical(np.array(["u", "v"])[np.arange(len(found)) % 2])
    found["f"] = np.arange(len(found)) % 3
    return found


def used(model: Any, rows: Any, folder: Path) -> list[Any]:
    """Return all that a fitted autoencoder says of rows, also after it was saved."""
    folder = folder / str(len(list(folder.iterdir())))
    model.save(folder)
    found = [model.transform(rows), model.reconstruct(rows), model.score_samples(rows)]
    again = narrows.load(folder)
    codes = np.asarray(found[0])
    return [*found, again.transform(rows), again.inverse_transform(codes), again.impute(rows)]


def plain(folder: Path) -> list[Any]:
    return used(Autoencoder(2, max_epochs=2, random_state=0).fit(table()), table(), folder)


def views(folder: Path) -> list[Any]:
    halves = {"left": [0, 2], "right": [1, 3]}
    rows = table(holes=True)
    model = Autoencoder(2, views=halves, max_epochs=2, random_state=0).fit(rows)
    known = rows[~np.isnan(rows).any(1)]
    return [*used(model, rows, folder), model.feature_importance(known, 0)]


def typed(folder: Path) -> list[Any]:
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(frame())
    return used(model, frame(), folder)


def variational(folder: Path) -> list[Any]:
    model = Autoencoder(2, latent="gaussian", penalty="kl", max_epochs=2, random_state=0)
    found = used(model.fit(table()), table(), folder)
    return [*found, model.sample(3, random_state=0), model.log_likelihood(table(), random_state=0)]


def critic(folder: Path) -> list[Any]:
    penalty = narrows.Adversarial() + Contraction(1e-3) + MMD()
    model = Autoencoder(2, penalty=penalty, max_epochs=2, random_state=0).fit(table())
    return used(model, table(), folder)


def convolved(folder: Path) -> list[Any]:
    model = Autoencoder(2, architecture=Convolutional((4,), (4,)), max_epochs=2, random_state=0)
    return used(model.fit(table()), table(), folder)


def recurrent(folder: Path) -> list[Any]:
    model = Autoencoder(2, architecture=Recurrent("signal"), optimizer="lbfgs", max_epochs=1)
    return used(model.set_params(random_state=0).fit(table()), table(), folder)


def others(folder: Path) -> list[Any]:
    small = Autoencoder(2, max_epochs=2)
    classes = np.arange(40) % 2
    classifier = AutoencoderClassifier(small, max_epochs=2, random_state=0)
    detector = AnomalyDetector(Autoencoder(1, max_epochs=2), random_state=0)
    return [
        classifier.fit(table(), classes).predict_proba(table()),
        detector.fit(table()).score_samples(table()),
        MarginalizedDenoisingAutoencoder().fit(table()).transform(table()),
    ]


def compared(folder: Path) -> list[Any]:
    methods = ["pca", Autoencoder(2, max_epochs=1)]
    found = compare(table(), np.arange(40) % 2, methods=methods, n_components=2, folds=2).to_frame()
    return [found[["reconstruction", "knn", "jacobian"]].to_numpy()]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], list[Any]]:
    known: dict[Any, list[Any]] = {}

    def of(job: Any) -> list[Any]:
        if job not in known:
            known[job] = job(tmp_path_factory.mktemp("plain"))
        return known[job]

    return of


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "job",
    few(
        [plain, views, typed, variational, critic, convolved, recurrent, others, compared],
        {plain, typed, critic, recurrent}.__contains__,
    ),
    ids=lambda job: job.__name__,
)
def test_what_the_process_has_set_changes_nothing(
    job: Any, setting: str, results: Any, tmp_path: Path
) -> None:
    expected = results(job)
    with SETTINGS[setting]():
        before = state()
        found = job(tmp_path)
        assert state() == before
    for one, other in zip(found, expected, strict=True):
        pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other), check_exact=True)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_process_is_as_it_was_after_an_error(setting: str) -> None:
    wrong = table()
    wrong[3, 2] = np.inf
    with SETTINGS[setting]():
        before = state()
        with pytest.raises(ValueError, match="inf"):
            Autoencoder(2, max_epochs=1, random_state=0).fit(wrong)
        with pytest.raises(DataError):
            Autoencoder(2, max_epochs=1, random_state=0).fit(table()).inverse_transform(table())
        assert state() == before


@pytest.mark.parametrize(
    "setting", ["default device meta", "inference", "autocast", "numpy raises"]
)
def test_the_process_is_as_it_was_after_an_interrupt(setting: str) -> None:
    class _Interrupting(Masking):
        def corrupt(self, x: Any, columns: Any, generator: Any) -> Any:
            signal.raise_signal(signal.SIGINT)
            if self.probability:
                signal.raise_signal(signal.SIGINT)
            return super().corrupt(x, columns, generator)

    with SETTINGS[setting]():
        before = state()
        model = Autoencoder(2, corruption=_Interrupting(0.0), max_epochs=9, random_state=0)
        with pytest.warns(InterruptedWarning):
            model.fit(table())
        assert state() == before
        with pytest.raises(KeyboardInterrupt):
            model.set_params(corruption__probability=0.5).fit(table())
        assert state() == before


def test_the_number_of_threads_is_as_it_was() -> None:
    model = Autoencoder(2, max_epochs=2, random_state=0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = model.fit(table()).transform(table())
        torch.set_num_threads(2)
        two = model.fit(table()).transform(table())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)  # sums are split in another way


def test_a_warning_names_the_line_that_called() -> None:
    with pytest.warns(OvercompleteWarning) as caught:
        Autoencoder(4, max_epochs=1, random_state=0).fit(table())
    assert caught[0].filename == __file__
