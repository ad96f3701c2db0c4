"""Trials: how far training leaves the PCA is what held-out rows say."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from lanes import few
from narrows import AdamW, Autoencoder, Masking, load
from narrows.errors import DivergenceError, InterruptedWarning
from narrows.training import budget, trials


def _linear(n_rows: int, n_columns: int, seed: int = 0) -> Any:
    mix = np.random.default_rng(0).normal(size=(4, n_columns))
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 4)) @ mix + rng.normal(size=(n_rows, n_columns))


def _lost(model: Autoencoder, X: Any, train: Any) -> float:
    return float((((model.reconstruct(X) - X) / train.std(0)) ** 2).mean())


def _pca_lost(k: int, X: Any, train: Any) -> float:
    mean, scale = train.mean(0), train.std(0)
    pca = PCA(k).fit((train - mean) / scale)
    z = (X - mean) / scale
    return float(((pca.inverse_transform(pca.transform(z)) - z) ** 2).mean())


@pytest.mark.parametrize(("n_rows", "n_columns"), [(40, 200), (700, 30)])
@pytest.mark.parametrize("k", few([2, 8], (2).__eq__))
def test_where_the_truth_is_linear_nothing_is_lost_to_a_pca(
    n_rows: int, n_columns: int, k: int
) -> None:
    train, test = _linear(n_rows, n_columns), _linear(1000, n_columns, seed=1)
    model = Autoencoder(k, random_state=0).fit(train)
    assert _lost(model, test, train) < 1.01 * _pca_lost(k, test, train)


def test_a_model_that_stays_at_the_start_is_the_pca_and_says_so() -> None:
    train, test = _linear(700, 30), _linear(500, 30, seed=1)
    model = Autoencoder(8, random_state=0).fit(train)
    assert model.stop_reason_ == "start"
    assert model.n_iter_ == 0
    assert [row["epoch"] for row in model.history_] == [0]
    assert _lost(model, test, train) == pytest.approx(_pca_lost(8, test, train), rel=1e-4)
    (chosen,) = [row for row in model.trials_ if row["chosen"]]
    assert chosen["distance"] == 0
    assert chosen["held_out_objective"] == min(r["held_out_objective"] for r in model.trials_)


def test_where_training_is_clearly_better_it_is_that_of_all_rows() -> None:
    X = load_digits().data
    model = Autoencoder(4, random_state=0).fit(X)
    assert [row["distance"] for row in model.trials_] == list(trials.WAYS)  # of one rate
    assert model.trials_[-1]["chosen"]
    rate = model.trials_[-1]["learning_rate"]
    assert max(row["learning_rate"] for row in model.history_) == pytest.approx(rate, rel=1e-2)


def test_the_end_of_training_is_kept_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    X = load_digits().data[:700]
    monkeypatch.setattr(trials, "RATES", (1.0,))
    monkeypatch.setattr(trials, "WAYS", (1.0,))
    tried = Autoencoder(4, random_state=0).fit(X)
    monkeypatch.setattr(trials, "FEWEST", 10**9)
    plain = Autoencoder(4, random_state=0).fit(X)
    assert tried.trials_
    assert not plain.trials_
    np.testing.assert_array_equal(tried.transform(X), plain.transform(X))


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 1e-3},
        {"max_epochs": 3},
        {"init": "random", "max_epochs": 3},
        {"corruption": Masking(0.1), "max_epochs": 3},
        {"early_stopping": True, "max_epochs": 3},
        {"optimizer": "lbfgs"},
    ],
    ids=str,
)
def test_settings_of_ones_own_leave_nothing_to_choose(settings: dict[str, Any]) -> None:
    model = Autoencoder(2, random_state=0, **settings).fit(_linear(60, 6))
    assert model.trials_ == []


def test_another_optimiser_is_tried_as_well() -> None:
    model = Autoencoder(2, optimizer=AdamW(weight_decay=1.0), random_state=0).fit(_linear(60, 6))
    assert model.trials_
    assert max(model.n_iter_, 0) <= 60


@pytest.mark.slow
def test_with_many_rows_the_trial_is_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "keeps", lambda *given: True)
    X = load_digits().data
    fits = []
    plain = trials.Trainer.fit

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        fits.append(self.trial)
        return plain(self, *args, **options)

    monkeypatch.setattr(trials.Trainer, "fit", counted)
    model = Autoencoder(4, random_state=0).fit(X)
    assert fits == [True]  # and no second fit to all rows
    assert model.n_iter_ == len(model.history_) > 1


def test_too_few_rows_to_tell_stay_at_the_pca() -> None:
    X = _linear(30, 60)
    model = Autoencoder(25, random_state=0).fit(X)  # three quarters of the rows have no such PCA
    assert model.stop_reason_ == "start"
    assert _lost(model, X, X) == pytest.approx(_pca_lost(25, X, X), rel=1e-3)


@pytest.mark.slow
def test_further_cells_are_hidden_where_that_helps() -> None:
    X = load_digits().data[:600].copy()
    X[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    model = Autoencoder(20, random_state=0).fit(X)
    corruptions = {row["corruption"] for row in model.trials_}
    assert "none" in corruptions
    assert any(name.startswith("Masking(") for name in corruptions)
    (chosen,) = [row for row in model.trials_ if row["chosen"]]
    assert chosen["corruption"] != "none"


def test_generators_of_the_process_are_not_touched_and_fits_repeat() -> None:
    import torch

    before = torch.get_rng_state()
    X = _linear(60, 6)
    first, second = (Autoencoder(2, random_state=3).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert first.trials_ == second.trials_
    assert torch.equal(before, torch.get_rng_state())


def test_trials_are_in_the_model_folder(tmp_path: Any) -> None:
    model = Autoencoder(2, random_state=0).fit(_linear(60, 6))
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.trials_ == model.trials_
    assert again.n_iter_ == model.n_iter_
    assert again.stop_reason_ == model.stop_reason_


def test_a_fit_that_diverges_wherever_it_begins_is_an_error() -> None:
    X = _linear(60, 3)
    X[:, 1] *= 1e30
    with pytest.raises(DivergenceError, match="column 1 reaches"):
        Autoencoder(2, scaling="none", random_state=0).fit(X)


def test_a_rate_that_ruins_everything_leaves_the_start() -> None:
    X = _linear(60, 6)
    ruinous = AdamW(weight_decay=1e4)  # the weights are nothing after a few steps
    model = Autoencoder(2, optimizer=ruinous, random_state=0).fit(X)
    assert _lost(model, X, X) < 1.01 * _pca_lost(2, X, X)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (_linear(700, 30), "the PCA that training begins at: none of"),
        (load_digits().data[:700], "of the PCA's objective; compared with"),
    ],
    ids=["linear", "digits"],
)
def test_what_was_chosen_is_said_in_words_wherever_a_model_is_described(
    X: Any, said: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Autoencoder(8, random_state=0, verbose=2).fit(X)
    words = trials.in_words(model.trials_)
    assert words is not None
    assert said in words
    assert f"chosen: {words}" in capsys.readouterr().err
    model.save(tmp_path / "model")
    assert words in (tmp_path / "model" / "README.md").read_text()
    model.report(tmp_path / "report.html", X)
    assert said in (tmp_path / "report.html").read_text().replace("&#39;", "'")


def test_nothing_chosen_is_not_spoken_of() -> None:
    assert trials.in_words([]) is None


@pytest.mark.parametrize("number", [1, 3, 6, 14])
def test_an_interrupt_in_any_trial_leaves_a_model_no_worse_than_the_start(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of fourteen trainings (four folds at three rates, and one of all rows)."""
    fits = []
    plain = trials.Trainer._epochs

    def counted(self: Any, *arguments: Any) -> Any:
        fits.append(self)
        if len(fits) == number:
            signal.raise_signal(signal.SIGINT)
        return plain(self, *arguments)

    monkeypatch.setattr(trials.Trainer, "_epochs", counted)
    X = _linear(60, 6)
    with pytest.warns(InterruptedWarning) if number < 14 else nullcontext():
        model = Autoencoder(2, random_state=0).fit(X)
    if number < 14:
        assert model.stop_reason_ == "interrupted"
        assert len(fits) == number  # and no training after it
    if number >= 5:  # the first rate was compared as a whole
        assert _lost(model, X, X) < 1.2 * _pca_lost(2, X, X)
    assert model.transform(X).shape == (60, 2)


def test_a_network_that_cannot_stay_at_the_pca_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials.Trainer, "begin", lambda self, network, table: "random")
    model = Autoencoder(8, random_state=0).fit(_linear(700, 30))
    assert model.n_iter_ > 0


def test_how_many_trainings_a_fit_is_worth() -> None:
    assert trials.n_trainings(7, 3) == 1
    assert trials.n_trainings(100, 3) == pytest.approx(4 * 0.75 + 1)
    assert trials.n_trainings(400, 3) == pytest.approx(2 * 0.75 + 1)
    assert trials.n_trainings(1000, 3) == pytest.approx(1.8)
    assert trials.n_trainings(10_000, 3) == pytest.approx(0.9)


def test_rows_of_early_stopping_weigh_the_answers() -> None:
    X = _linear(200, 12)
    stopped = Autoencoder(8, early_stopping=True, max_epochs=40, random_state=0).fit(X)
    plain = Autoencoder(8, max_epochs=40, random_state=0).fit(X)
    weights = [m._fitted.stack.weights[0, 0, 0] for m in (stopped, plain)]  # type: ignore[union-attr]
    assert weights[0] != weights[1]
