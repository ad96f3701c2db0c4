from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

import narrows
from narrows import Autoencoder
from narrows.errors import CodeLengthWarning, DataError, DivergenceError, ParameterError
from narrows.estimators import length_search
from narrows.training import code_length

QUICK: dict[str, Any] = {"architecture": (), "max_epochs": 30, "random_state": 0}


def table(n: int = 300, d: int = 12, rank: int = 3, noise: float = 0.2) -> Any:
    random = np.random.default_rng(0)
    causes = random.normal(size=(n, rank)) @ random.normal(size=(rank, d))
    return causes + noise * random.normal(size=(n, d))


def chosen(model: Autoencoder) -> Any:
    return next(row for row in model.lengths_ if row["chosen"])


def test_auto_takes_the_causes() -> None:
    model = Autoencoder("auto", **QUICK).fit(table())
    assert model.n_components_ == 3
    assert model.transform(table()).shape == (300, 3)
    assert model.get_params()["n_components"] == "auto"
    assert chosen(model)["start"]
    assert "parallel analysis" in str(code_length.in_words("auto", model.lengths_))


def test_auto_takes_fewer_where_rows_held_out_gain_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(length_search, "parallel_analysis", lambda *_, **__: 8)
    model = Autoencoder("auto", **QUICK).fit(np.random.default_rng(0).normal(size=(40, 60)))
    assert [row["n_components"] for row in model.lengths_ if row["start"]] == [8]
    assert model.n_components_ < 8
    assert "says as much of hidden cells" in str(code_length.in_words("auto", model.lengths_))


@pytest.mark.slow
def test_auto_takes_one_number_for_a_noisy_curve() -> None:
    """A circle has two components, but what is hidden of it follows from one angle."""
    angle = np.random.default_rng(0).uniform(0, 1.6 * np.pi, 600)
    X = np.stack([f(angle + k) for k in range(4) for f in (np.cos, np.sin)], 1)
    X += 0.3 * np.random.default_rng(1).normal(size=X.shape)
    model = Autoencoder("auto", random_state=0).fit(X)
    assert [row["n_components"] for row in model.lengths_ if row["start"]] == [2]
    assert model.n_components_ == 1


def test_auto_of_unrelated_columns_is_one() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 6))
    model = Autoencoder("auto", **QUICK).fit(noise)
    assert model.n_components_ == 1
    assert "shorter" not in str(code_length.in_words("auto", model.lengths_))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_share_takes_the_shortest_code_that_keeps_it(share: float) -> None:
    model = Autoencoder(share, **QUICK).fit(table())
    assert chosen(model)["explained"] >= share
    shorter = [row for row in model.lengths_ if row["n_components"] == model.n_components_ - 1]
    assert model.n_components_ == 1 or shorter[0]["explained"] < share


def test_a_share_nobody_keeps_takes_the_best_and_says_so() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 8))
    with pytest.warns(CodeLengthWarning, match=r"0.999 asks .* is the most"):
        model = Autoencoder(0.999, **QUICK).fit(noise)
    assert chosen(model)["explained"] == max(row["explained"] for row in model.lengths_)
    assert "was asked for" in str(code_length.in_words(0.999, model.lengths_))


@pytest.mark.parametrize("wrong", [0, -1, 0.0, 1.0, 1.5, "some", None, True, np.nan])
def test_what_is_no_length_is_refused(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"n_components=.*'auto'"):
        Autoencoder(wrong).fit(table())


def test_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="fewer than 20; give the number"):
        Autoencoder("auto").fit(table(19))


def test_same_seed_same_length_and_weights() -> None:
    first, second = (Autoencoder(0.8, **QUICK).fit(table()) for _ in range(2))
    assert first.lengths_ == second.lengths_
    assert np.array_equal(first.transform(table()), second.transform(table()))


def test_a_number_leaves_nothing_to_try() -> None:
    assert Autoencoder(2, **QUICK).fit(table()).lengths_ == []


def test_containers_of_every_kind_choose_alike() -> None:
    X = table()
    X[np.abs(X) < 0.3] = 0
    lengths = [
        Autoencoder(0.8, **QUICK).fit(container).n_components_
        for container in (X, pd.DataFrame(X), sparse.coo_array(X), X.tolist())
    ]
    assert len(set(lengths)) == 1


@pytest.mark.slow
def test_mixed_tables_with_holes_classes_and_weights() -> None:
    X = pd.DataFrame(table(), columns=list("abcdefghijkl")).assign(kind=["x", "y", "z"] * 100)
    X.iloc[::7, 2] = np.nan
    model = Autoencoder("auto", **QUICK)
    assert model.fit(X, sample_weight=np.ones(300)).n_components_ >= 3
    supervised = clone(model).set_params(penalty=narrows.Adversarial(prior="mixture"))
    assert supervised.fit(table(), np.arange(300) % 2).n_components_ >= 1


def test_a_saved_model_has_its_length(tmp_path: Path) -> None:
    X = table()
    model = Autoencoder("auto", **QUICK).fit(X)
    model.save(tmp_path / "m")
    again = narrows.load(tmp_path / "m")
    assert again.n_components == "auto"
    assert again.n_components_ == model.n_components_
    assert again.lengths_ == model.lengths_
    assert np.array_equal(again.transform(X), model.transform(X))


def test_what_goes_on_keeps_its_length() -> None:
    X = table()
    model = Autoencoder("auto", warm_start=True, **QUICK).fit(X)
    lengths = model.lengths_
    model.fit(X[:40])
    assert model.n_components_ == 3
    assert model.lengths_ == lengths
    parts = Autoencoder("auto", **QUICK).partial_fit(X).partial_fit(X[:10])
    assert parts.n_components_ == 3


def test_a_checkpoint_belongs_to_the_same_choice(tmp_path: Path) -> None:
    X = table()
    settings = {**QUICK, "random_state": None}
    first = Autoencoder(0.8, **settings).fit(X, checkpoint=narrows.Checkpoint(tmp_path / "c"))
    again = Autoencoder(0.8, **settings).fit(X, checkpoint=narrows.Checkpoint(tmp_path / "c"))
    assert np.array_equal(first.transform(X), again.transform(X))


def test_a_source_chooses_on_its_sample(tmp_path: Path) -> None:
    pd.DataFrame(table(4_000)).rename(columns=str).to_parquet(tmp_path / "t.parquet")
    source = narrows.open_source(tmp_path / "t.parquet", memory="1MB")
    assert Autoencoder("auto", **QUICK).fit(source).n_components_ == 3


def test_a_length_that_cannot_be_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit that diverges keeps nothing; the search goes on."""
    learn = Autoencoder.fit

    def failing(self: Autoencoder, *args: Any, **settings: Any) -> Any:
        if self.n_components == 2:
            raise DivergenceError("never finite")
        return learn(self, *args, **settings)

    monkeypatch.setattr(Autoencoder, "fit", failing)
    model = Autoencoder("auto", **QUICK)
    learn(model, table())
    assert model.n_components_ == 3
    assert [row["explained"] for row in model.lengths_ if row["n_components"] == 2] == [-np.inf]


def test_a_setting_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(ParameterError, match="batch_size"):
        Autoencoder("auto", batch_size=-1).fit(table())


def test_trials_warn_of_nothing_themselves() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Autoencoder(0.5, **QUICK).fit(table())
