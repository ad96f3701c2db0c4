"""Missing: holes have no part in training, and are filled with what the model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import Ridge

import narrows
from narrows import Autoencoder, Convolutional, Recurrent, recipes
from narrows.data.layout import Layout
from narrows.errors import CompositionError, DataError, MissingWarning, ParameterError
from narrows.inference import imputation
from narrows.network.composition import Composition

X = load_breast_cancer().data[:200]
HIDDEN = np.random.default_rng(0).random(X.shape) < 0.2
HOLES = np.where(HIDDEN, np.nan, X)
KINDS: dict[str, dict[str, Any]] = {
    "dense": {},
    "told": {"add_indicator": True},
    "told, views": {
        "add_indicator": True,
        "views": {"a": slice(0, 10), "b": slice(10, 30)},
    },
    "tied": {"architecture": "Dense((6,), tied=True)"},
    "convolutional": {"architecture": "Convolutional('signal')"},
    "views": {"views": {"a": slice(0, 10), "b": slice(10, 30)}, "corruption": None},
    "experts": {
        "views": {"a": slice(0, 10), "b": slice(10, 30)},
        "fusion": "product_of_experts",
        "corruption": None,
    },
}


@pytest.mark.parametrize("value", [1e30, -3.0, np.nan])
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_stands_in_a_cell_that_was_not_measured_moves_nothing(
    kind: str, value: float
) -> None:
    from narrows.core.notation import parse
    from narrows.data.scaling import Scaling
    from narrows.data.table import make_table

    settings = dict(KINDS[kind])
    if "architecture" in settings:
        settings["architecture"] = parse(settings["architecture"])
    model = Autoencoder(3, max_epochs=1, random_state=0, **settings).fit(HOLES)
    composition = Composition.of(model.get_params(deep=False))
    results = []
    for stand_in in (0.0, value):
        network = composition.network(model.layout_, torch.float64)
        network.load_state_dict(model.network_.double().state_dict())
        scaling: Scaling = model.scaling_
        table = make_table(HOLES, scaling, torch.float64, torch.device("cpu"))
        batch = table.take(torch.arange(50))
        assert batch.observed is not None
        # What the reader made of the hole is replaced before anything else sees it.
        raw = torch.where(batch.observed, batch.x, stand_in)
        clean = torch.where(batch.observed, raw, 0.0)
        forward = network(clean, observed=batch.observed)
        value_of = composition.objective(model.layout_)(forward)
        value_of.total.backward()
        gradients = [p.grad.clone() for p in network.parameters()]  # type: ignore[union-attr]
        results.append((value_of.total.item(), gradients))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_an_encoder_that_is_told_sees_where_cells_were_not_measured(tmp_path: Path) -> None:
    """Rows that differ only in whether a cell at its mean was measured have other codes."""
    model = Autoencoder(3, add_indicator=True, max_epochs=3, random_state=0).fit(HOLES)
    assert model.layout_.indicators == tuple(range(30))
    mean = np.repeat(model.scaling_.center[None], 2, axis=0)
    rows = mean.copy()
    rows[1, 4] = np.nan
    codes = model.transform(rows)
    assert not np.allclose(codes[0], codes[1])
    plain = Autoencoder(3, max_epochs=3, random_state=0).fit(HOLES)
    np.testing.assert_allclose(*plain.transform(rows), rtol=0, atol=1e-12)
    assert model.reconstruct(X).shape == X.shape
    model.save(tmp_path / "model")
    again = narrows.load(tmp_path / "model")
    assert np.array_equal(again.impute(HOLES), model.impute(HOLES))
    assert len(model.feature_importance(HOLES, 0)) == 30


def test_only_columns_with_holes_are_told_of() -> None:
    some = X.copy()
    some[3, [2, 7]] = np.nan
    settings: dict[str, Any] = {"max_epochs": 2, "random_state": 0}
    assert Autoencoder(3, add_indicator=True, **settings).fit(some).layout_.indicators == (2, 7)
    complete = Autoencoder(3, add_indicator=True, **settings).fit(X)
    assert np.array_equal(complete.transform(X), Autoencoder(3, **settings).fit(X).transform(X))


def test_views_whose_rows_have_a_shape_are_not_told() -> None:
    digits = load_digits().data[:100].copy()
    digits[:20, [3, 40]] = np.nan
    top = narrows.View(range(32), architecture=narrows.Convolutional((1, 4, 8), (4,)))
    settings: dict[str, Any] = {"add_indicator": True, "max_epochs": 2, "corruption": None}
    model = Autoencoder(3, views={"top": top, "rest": range(32, 64)}, **settings).fit(digits)
    assert model.layout_.indicators == (40,)
    with pytest.raises(CompositionError, match="add_indicator=True gives the encoder"):
        Autoencoder(3, architecture=Convolutional("signal"), **settings).fit(digits)


def test_a_missing_category_is_told_beside_a_missing_number() -> None:
    kinds = np.where(X[:, 1] > 18, "a", "b")
    frame = pd.DataFrame({"x": HOLES[:, 0], "kind": kinds, "y": X[:, 2]})
    frame.loc[HIDDEN[:, 1], "kind"] = None
    model = Autoencoder(2, add_indicator=True, max_epochs=2, random_state=0).fit(frame)
    assert model.layout_.indicators == (0, 1)
    assert model.impute(frame).notna().all(axis=None)


def test_the_loss_counts_measured_cells_only() -> None:
    """The loss of a row with holes is that of its measured cells, computed by hand."""
    model = Autoencoder(3, max_epochs=3, random_state=0).fit(HOLES)
    x = (HOLES - model.scaling_.center) / model.scaling_.scale
    network = model.network_.double()
    with torch.no_grad():
        said = network.decode(network.encode(torch.from_numpy(np.nan_to_num(x)))).numpy()
    np.testing.assert_allclose(
        model.score_samples(HOLES), -np.nansum((said - x) ** 2, axis=1), rtol=1e-9
    )


@pytest.mark.slow
def test_filling_is_better_than_the_mean_and_touches_nothing_else() -> None:
    train, test = HOLES[:150], HOLES[150:]
    hidden = HIDDEN[150:]
    model = Autoencoder(8, corruption="masking", random_state=0).fit(train)
    filled = model.impute(test)
    assert np.array_equal(filled[~hidden], test[~hidden])
    scale = np.nanstd(train, axis=0)
    error = (((filled - X[150:]) / scale)[hidden] ** 2).mean()
    by_mean = (((np.nanmean(train, axis=0) - X[150:]) / scale)[hidden] ** 2).mean()
    assert error < 0.5 * by_mean


@pytest.mark.parametrize("method", ["stack", "network", "linear"])
def test_rows_without_a_hole_are_not_asked(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(X)
    rows = np.where(np.arange(len(X))[:, None] % 5 == 0, HOLES, X)
    holed = np.isnan(rows).any(1)
    asked, answer = [], imputation._answer

    def asking(model: Any, rows: np.ndarray, *own: Any) -> Any:
        asked.append(rows)
        return answer(model, rows, *own)

    monkeypatch.setattr(imputation, "_answer", asking)
    filled = model.impute(rows, method=method)
    np.testing.assert_array_equal(asked[0], rows[holed])
    np.testing.assert_array_equal(filled[~holed], X[~holed])
    np.testing.assert_allclose(filled[holed], model.impute(rows[holed], method=method), rtol=1e-9)
    np.testing.assert_array_equal(model.impute(X, method=method), X)


def test_a_hole_stays_a_hole_in_the_reconstruction() -> None:
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(HOLES)
    assert np.array_equal(np.isnan(model.reconstruct(HOLES)), HIDDEN)


def test_a_column_that_was_never_measured_is_told_and_stays_so(tmp_path: Any) -> None:
    table = HOLES.copy()
    table[:, 4] = np.nan
    model = Autoencoder(3, max_epochs=2, random_state=0)
    with pytest.warns(MissingWarning, match="no cell of column 4 was measured,"):
        model.fit(table)
    with pytest.warns(MissingWarning, match="no cell of column 4 was measured in fit"):
        filled = model.impute(table)
    assert np.isnan(filled).sum() == 200
    model.save(tmp_path / "model")
    with pytest.warns(MissingWarning):
        assert np.array_equal(narrows.load(tmp_path / "model").impute(table), filled, True)


def test_a_row_without_any_measured_cell_is_told_and_filled_alike() -> None:
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(HOLES)
    rows = np.full((2, 30), np.nan)
    with pytest.warns(MissingWarning, match="2 of 2 rows have no measured cell"):
        filled = model.impute(rows)
    assert np.isfinite(filled).all()
    assert np.array_equal(filled[0], filled[1])


def test_every_way_of_saying_missing_is_the_same() -> None:
    frame = pd.DataFrame(X[:50, :3], columns=["a", "b", "c"])
    frame.loc[3, "b"] = np.nan
    nullable = frame.astype("Float64")
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(frame)
    assert pd.isna(nullable.loc[3, "b"])
    assert np.array_equal(model.transform(nullable), model.transform(frame))


def test_the_network_alone_has_a_spread_where_its_code_is_a_distribution() -> None:
    model = recipes.variational(3, max_epochs=3, random_state=0).fit(HOLES)
    filled, std = model.impute(HOLES, method="network", return_std=True, random_state=0)
    assert (std[HIDDEN] > 0).all()
    assert not std[~HIDDEN].any()
    assert np.array_equal(filled, model.impute(HOLES, method="network"))
    with pytest.raises(CompositionError, match="has no spread of its own"):
        Autoencoder(2, max_epochs=1).fit(X).impute(HOLES, method="network", return_std=True)


@pytest.mark.parametrize("method", ["stack", "linear"])
@pytest.mark.parametrize("latent", ["point", "gaussian"])
def test_every_kind_has_a_spread(latent: str, method: str) -> None:
    model = Autoencoder(3, latent=latent, max_epochs=2, random_state=0).fit(HOLES)
    filled, std = model.impute(HOLES, method=method, return_std=True)
    assert (std[HIDDEN] > 0).all()
    assert not std[~HIDDEN].any()
    assert np.array_equal(filled, model.impute(HOLES, method=method))


def test_methods_that_cannot_be_are_refused() -> None:
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    with pytest.raises(ParameterError, match="did you mean 'stack'"):
        model.impute(HOLES, method="stak")
    partly = Autoencoder(2, random_state=0).partial_fit(X)
    assert np.array_equal(partly.impute(HOLES), partly.impute(HOLES, method="network"))
    with pytest.raises(CompositionError, match="none after partial_fit"):
        partly.impute(HOLES, method="linear")


def _related(n_rows: int, seed: int) -> Any:
    """Return rows of eight columns that four hidden ones make, and which cells to hide."""
    mix = np.random.default_rng(0).normal(size=(4, 8))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, 4)) @ mix + 0.5 * rng.normal(size=(n_rows, 8))
    return 10 * rows + 5, rng.random(rows.shape) < 0.25


@pytest.mark.slow
def test_the_stack_is_no_worse_than_the_better_of_both_and_its_intervals_cover() -> None:
    train, gone = _related(400, 1)
    rows, hidden = _related(2000, 2)
    model = Autoencoder(2, random_state=0).fit(np.where(gone, np.nan, train))
    holed = np.where(hidden, np.nan, rows)

    def error(method: str) -> float:
        return float(np.sqrt(((model.impute(holed, method=method) - rows)[hidden] ** 2).mean()))

    assert error("linear") < 0.9 * error("network")  # two numbers cannot carry four
    assert error("stack") < 1.02 * error("linear")
    filled, std = model.impute(holed, return_std=True)
    inside = np.abs(filled - rows)[hidden] <= 1.645 * std[hidden]
    assert 0.86 < inside.mean() < 0.94


@pytest.mark.slow
def test_a_view_that_is_missing_is_translated_as_well_as_by_a_regression() -> None:
    train, _ = _related(400, 1)
    rows, _ = _related(2000, 2)
    views = {"left": slice(0, 5), "right": slice(5, 8)}
    model = Autoencoder(2, views=views, random_state=0).fit(train)
    said, std = model.translate(rows, "right", return_std=True)
    ridge = Ridge(1.0).fit(train[:, :5], train[:, 5:]).predict(rows[:, :5])
    lost = ((said - rows[:, 5:]) ** 2).mean()
    assert lost < 1.05 * ((ridge - rows[:, 5:]) ** 2).mean()
    assert 0.86 < (np.abs(said - rows[:, 5:]) <= 1.645 * std).mean() < 0.94


def test_types_of_all_kinds_have_expectations_and_a_spread() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=400)
    frame = pd.DataFrame(
        {
            "number": 3 * hidden + rng.normal(size=400),
            "second": hidden + 0.3 * rng.normal(size=400),
            "level": np.array(["low", "middle", "high"])[np.digitize(hidden, (-0.5, 0.5))],
            "flag": hidden > 0,
            "rank": pd.Categorical.from_codes(
                np.digitize(hidden, (-0.5, 0.5)), ["a", "b", "c"], ordered=True
            ),
            "count": rng.poisson(np.exp(hidden)),
            "share": 1 / (1 + np.exp(-hidden)),
            "angle": (40 * hidden) % 360,
        }
    )
    types = {"count": "count", "share": "proportion", "angle": "angle"}
    model = Autoencoder(2, types=types, max_epochs=30, random_state=0).fit(frame)
    for column in frame.columns:
        holed = frame.copy()
        number = frame[column].dtype.kind in "if"
        emptied = frame[column].astype("float" if number else "object")
        holed[column] = emptied.where(np.zeros(len(frame), bool))
        filled, std = model.impute(holed, return_std=True, method="linear")
        spread = std[column].to_numpy(float)
        assert np.isfinite(spread).all(), column
        if column in ("level", "flag", "rank"):
            right = (filled[column].astype(str) == frame[column].astype(str)).mean()
            assert right > 0.7, column
            assert (spread <= 0.7).all()
            assert abs((1 - spread).mean() - right) < 0.15, column  # sure as often as right
        elif column == "angle":
            error = np.abs((filled[column] - frame[column] + 180) % 360 - 180)
            assert error.median() < 30
        else:
            assert np.corrcoef(filled[column], frame[column])[0, 1] > 0.6, column


def test_a_view_may_be_left_out_of_the_table_to_translate() -> None:
    views = {"mean": slice(0, 10), "rest": slice(10, 30)}
    frame = load_breast_cancer(as_frame=True).data[:200]
    model = Autoencoder(4, views=views, max_epochs=2, random_state=0).fit(frame)
    whole = model.translate(frame, "rest")
    assert np.allclose(model.translate(frame.iloc[:, :10], "rest"), whole)
    plain = Autoencoder(4, views=views, max_epochs=2, random_state=0).fit(X)
    assert np.array_equal(plain.translate(X[:, :10], "rest"), plain.translate(X, "rest"))
    with pytest.raises(ParameterError, match="did you mean 'rest'"):
        model.translate(frame, "rets")
    with pytest.raises(ParameterError, match="no several views"):
        Autoencoder(2, max_epochs=1).fit(X).translate(X, "rest")


def test_sparse_tables_have_no_holes() -> None:
    import scipy.sparse

    digits = load_digits().data[:100]
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(digits)
    with pytest.raises(DataError, match="zeros, not holes"):
        model.impute(scipy.sparse.csr_array(digits))


def test_a_recurrent_view_may_be_missing_whole() -> None:
    views = {"a": slice(0, 10), "b": slice(10, 30)}
    model = Autoencoder(
        2, views=views, architecture=Recurrent("signal", hidden=(4,)), max_epochs=1, random_state=0
    ).fit(X)
    assert np.isfinite(model.translate(X, "a")).all()
    assert Layout(30, model.layout_.views) == model.layout_


@pytest.mark.parametrize("value", ["no", 1, None])
def test_add_indicator_is_true_or_false(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"add_indicator=.* must be True or False"):
        Autoencoder(2, add_indicator=value).fit(X)
    assert Autoencoder(2, add_indicator=np.True_, max_epochs=1).fit(X).layout_.indicators == ()
