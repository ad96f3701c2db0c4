"""How training ends: early stopping, divergence, Ctrl-C."""

from __future__ import annotations

import contextlib
import math
import signal
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from narrows import SGD, Autoencoder, OneCycle
from narrows.errors import DivergenceError, DivergenceWarning, InterruptedWarning, ParameterError
from narrows.training import progress
from narrows.training.early_stopping import EarlyStopping
from narrows.training.progress import Silent


def test_early_stopping_restores_the_best_weights(breast_cancer: Any) -> None:
    # A rate this high overshoots now and then, so that the last epoch is not the best.
    model = Autoencoder(
        2,
        early_stopping=True,
        n_iter_no_change=3,
        max_epochs=300,
        learning_rate=0.05,
        init="random",
        random_state=0,
    ).fit(breast_cancer)
    assert model.stop_reason_ == "early_stopping"
    losses = [row["valid_objective"] for row in model.history_]
    best = int(np.argmin(losses))
    assert len(losses) == model.n_iter_ == best + 1 + 3
    again = Autoencoder(
        2,
        early_stopping=True,
        max_epochs=best + 1,
        learning_rate=0.05,
        init="random",
        random_state=0,
    ).fit(breast_cancer)
    np.testing.assert_array_equal(model.transform(breast_cancer), again.transform(breast_cancer))


def test_early_stopping_restores_the_start_where_nothing_beats_it() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40)) + rng.normal(size=(60, 40))
    model = Autoencoder(2, early_stopping=True, learning_rate=0.05, random_state=0).fit(X)
    lowest = min(row["valid_objective"] for row in model.history_)
    started = Autoencoder(
        2, early_stopping=True, learning_rate=1e-12, max_epochs=1, random_state=0
    ).fit(X)
    assert started.history_[0]["valid_objective"] < lowest
    np.testing.assert_allclose(model.transform(X), started.transform(X), atol=1e-5)


def test_early_stopping_restores_the_best_weights_when_the_epochs_run_out(
    breast_cancer: Any,
) -> None:
    settings: dict[str, Any] = {
        "early_stopping": True,
        "n_iter_no_change": 100,
        "learning_rate": 0.2,
        "init": "random",
        "random_state": 2,
    }
    model = Autoencoder(2, max_epochs=12, **settings).fit(breast_cancer)
    best = int(np.argmin([row["valid_objective"] for row in model.history_]))
    assert best < 11, "the last epoch is the best; choose another seed"
    again = Autoencoder(2, max_epochs=best + 1, **settings).fit(breast_cancer)
    np.testing.assert_array_equal(model.transform(breast_cancer), again.transform(breast_cancer))


def test_without_early_stopping_every_row_is_trained_on(breast_cancer: Any) -> None:
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(breast_cancer)
    assert not any(name.startswith("valid_") for name in model.history_[0])
    assert model.stop_reason_ == "max_epochs"


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_early_stopping_works_on_a_few_rows(n_rows: int, breast_cancer: Any) -> None:
    model = Autoencoder(2, early_stopping=True, max_epochs=3, random_state=0)
    assert np.isfinite(model.fit(breast_cancer[:n_rows]).transform(breast_cancer)).all()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("validation_fraction", 0),
        ("validation_fraction", 1),
        ("validation_fraction", "a"),
        ("n_iter_no_change", 0),
        ("n_iter_no_change", 1.5),
    ],
)
def test_settings_of_early_stopping_that_cannot_be_are_refused(
    setting: str, value: Any, breast_cancer: Any
) -> None:
    with pytest.raises(ParameterError, match=f"{setting}={value!r} must be"):
        Autoencoder(early_stopping=True, **{setting: value}).fit(breast_cancer)


@pytest.mark.parametrize(("held_out", "kept"), [(True, 1.5), (False, 1.0)])
def test_the_monitor_keeps_the_weights_that_the_best_number_speaks_for(
    held_out: bool, kept: float
) -> None:
    module = torch.nn.Linear(1, 1)
    monitor = EarlyStopping(module, patience=2, tolerance=0.0, held_out=held_out)
    reasons = []
    for epoch, value in enumerate((3.0, 1.0, 2.0, 1.5)):
        module.weight.data.fill_(epoch)
        monitor.begin()
        module.weight.data.fill_(epoch + 0.5)
        reasons.append(monitor.see(value))
    assert reasons == [None, None, None, "early_stopping"]
    assert monitor.restore()
    assert module.weight.item() == kept


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e5])
def test_the_monitor_calls_it_divergence(value: float) -> None:
    monitor = EarlyStopping(torch.nn.Linear(1, 1), patience=None, tolerance=0.0, held_out=False)
    assert monitor.see(2.0) is None
    assert monitor.see(1000.0) is None
    assert monitor.see(value) == "diverged"


@pytest.mark.parametrize("batch_size", [32, 569])
@pytest.mark.parametrize(
    "optimizer", ["sgd", "adam", "rmsprop", "adagrad", "muon", torch.optim.SGD]
)
def test_a_rate_of_a_million_ends_in_a_diagnosis_and_finite_codes(
    optimizer: Any, batch_size: int, breast_cancer: Any
) -> None:
    model = Autoencoder(
        2,
        optimizer=optimizer,
        learning_rate=1e6,
        batch_size=batch_size,
        max_epochs=10,
        random_state=0,
    )
    said = r"diverged in epoch \d+ .*learning_rate 1e\+06.*smaller learning_rate"
    with pytest.raises((DivergenceError, DivergenceWarning), match=said):
        model.fit(breast_cancer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        with contextlib.suppress(DivergenceError):
            model.fit(breast_cancer)
            assert model.stop_reason_ == "diverged"
            assert np.isfinite(model.transform(breast_cancer)).all()
            assert np.isfinite(model.reconstruct(breast_cancer)).all()


def test_after_divergence_the_model_is_as_good_as_its_best_epoch(breast_cancer: Any) -> None:
    model = Autoencoder(
        2,
        optimizer=SGD(momentum=0.0),
        learning_rate=OneCycle(0.5, warm_up=0.9),  # starts well, then grows too large
        batch_size=569,
        max_epochs=60,
        init="random",
        random_state=0,
    )
    with pytest.warns(DivergenceWarning, match="The best weights were kept"):
        model.fit(breast_cancer)
    best = np.nanmin([row["objective"] for row in model.history_])
    assert -model.score(breast_cancer) == pytest.approx(best, rel=1e-4)
    assert best < model.history_[0]["objective"]


def test_an_objective_that_was_never_finite_is_an_error_that_names_the_column() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 1] *= 1e30
    with pytest.raises(DivergenceError, match=r"column 1 reaches .*e\+30.*scaling"):
        Autoencoder(2, scaling="none", random_state=0).fit(X)


class StopsAt(Silent):
    """Sends SIGINT in one batch, and a second one a batch later if asked."""

    def __init__(self, batches: set[int]) -> None:
        self.batches = batches
        self.seen = 0

    def batch(self, n_rows: int) -> None:
        self.seen += 1
        if self.seen in self.batches:
            signal.raise_signal(signal.SIGINT)


def test_the_first_interrupt_ends_the_batch_and_returns_a_fitted_model(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = StopsAt({20})
    monkeypatch.setattr(progress, "make", lambda verbose: watcher)
    before = signal.getsignal(signal.SIGINT)
    model = Autoencoder(2, batch_size=32, max_epochs=50, random_state=0)
    with pytest.warns(InterruptedWarning, match="interrupted in epoch 2 of 50.*warm_start=True"):
        returned = model.fit(breast_cancer)
    assert returned is model
    assert watcher.seen == 20
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == 2
    assert np.isfinite(model.transform(breast_cancer)).all()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_fit_goes_on_with_warm_start(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Autoencoder(2, batch_size=32, max_epochs=20, random_state=0, warm_start=True)
    with monkeypatch.context() as patch:
        patch.setattr(progress, "make", lambda verbose: StopsAt({20}))
        with pytest.warns(InterruptedWarning):
            model.fit(breast_cancer)
    stopped = model.score(breast_cancer)
    assert model.fit(breast_cancer).score(breast_cancer) > stopped
    assert model.stop_reason_ == "max_epochs"


def test_the_second_interrupt_stops_at_once(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(Silent):
        def batch(self, n_rows: int) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(progress, "make", lambda verbose: Twice())
    with pytest.raises(KeyboardInterrupt):
        Autoencoder(2, max_epochs=5).fit(breast_cancer)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_programs_own_handler_of_interrupts_is_kept(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[int] = []
    monkeypatch.setattr(progress, "make", lambda verbose: StopsAt({3}))
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        model = Autoencoder(2, max_epochs=2, random_state=0).fit(breast_cancer)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught == [signal.SIGINT]
    assert model.stop_reason_ == "max_epochs"


def test_an_interrupt_goes_through_partial_fit_to_the_loop_that_calls_it(
    breast_cancer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Autoencoder(2, batch_size=16, random_state=0).partial_fit(breast_cancer)
    with monkeypatch.context() as patch:
        patch.setattr(progress, "make", lambda verbose: StopsAt({3}))
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(breast_cancer)
    assert np.isfinite(model.partial_fit(breast_cancer).transform(breast_cancer)).all()
